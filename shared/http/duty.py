"""Duty: who is on call holds a token that was issued before, lasts a shift and names the duty. It does what cannot wait, nothing else."""

ON_CALL = "on_call"
_SCOPE = "duty:"  # begins the scope that names it


def scope_of(duty: str) -> str:
    return f"{_SCOPE}{duty}"


def duty_in(scopes: frozenset[str] | tuple[str, ...]) -> str | None:
    """The duty that a token's scopes name; None: it is no duty's."""
    return next((scope.removeprefix(_SCOPE) for scope in sorted(scopes) if scope.startswith(_SCOPE)), None)
