"""Schedule: what a loan pays, and when, as agreed."""

from typing import Literal

type Kind = Literal["equal", "equal_principal", "bullet", "balloon", "interest_only", "capitalised", "step"]
