"""Checks that need no network, no server and nobody's word: of receipts, certificates, and the partner's own award.

They import `cryptography` and the standard library, and nothing else."""

from reserve_partner.proofs.certificates import CertificateUnreadable, Checked, check_certificate
from reserve_partner.proofs.notes import NoteMalformed
from reserve_partner.proofs.receipts import Receipt, ReceiptInvalid, check_receipt

__all__ = [
    "CertificateUnreadable",
    "Checked",
    "NoteMalformed",
    "Receipt",
    "ReceiptInvalid",
    "check_certificate",
    "check_receipt",
]
