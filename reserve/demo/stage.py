"""The stage: who plays, where and when, and what the story has made so far."""

from pathlib import Path
from typing import Any

import msgspec

from reserve.demo.parties import Parties
from reserve.demo.registrar import Registrar
from reserve.demo.screen import Screen
from reserve.demo.what_if_clock import WhatIfClock
from shared.proofs.signed_note import VerifierKey


class Stage(msgspec.Struct, kw_only=True):
    """Things are as the APIs answered them; those of a partner are kept by (product, partner)."""

    parties: Parties
    screen: Screen
    clock: WhatIfClock
    folder: Path  # for what the parties keep for themselves: keys, decisions, receipts
    log_key: VerifierKey  # pinned: it came with the deployment, not from the ledger
    key_files: dict[str, Path] = {}  # an approver's subject -> their key
    registrar: Registrar
    disruption: str = ""
    requests: dict[tuple[str, str], Any] = {}
    rounds: dict[str, Any] = {}  # certified, by product
    releases: dict[tuple[str, str], Any] = {}
    draws: list[Any] = []
    offtake_right: str = ""  # to what the borrower produces
    loans: list[str] = []
    material_loans: list[str] = []
