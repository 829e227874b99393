"""A certificate as a page for print."""

from collections.abc import Iterator

from markupsafe import Markup

from services.allocation.domain.decisions.certificate import Certificate
from services.allocation.domain.decisions.decision import DecisionLine
from services.allocation.domain.decisions.sealed import OwnFile, View, read_view
from services.allocation.domain.rules.cover import days_of_cover
from shared.http.print_page import facts, heading, note, page, paragraph, table


def page_of(certificate: Certificate) -> str:
    file = read_view(bytes(certificate.file))
    terms = file.decision.terms
    return page(
        f"Certificate of allocation, {certificate.product}",
        [
            paragraph(f"Round {certificate.round}, under policy {terms.policy}, version {terms.policy_version}."),
            facts(
                [
                    ("Decision (SHA-256)", certificate.decision),
                    ("Rule", terms.rule),
                    ("Disruption", terms.disruption or "none: in the ordinary course"),
                    ("May be drawn until", str(certificate.expires_on)),
                ]
            ),
            *_lines(file),
            *_working(file),
            *_approvals(certificate),
            *_proofs(certificate),
            note("The same as a file: GET with Accept: application/json. Whoever holds it checks it with: reserve certificate verify FILE"),
        ],
    )


def _lines(file: View) -> Iterator[Markup]:
    """What is entitled is a rational of any length, and wraps, as amounts do not: else it would leave the paper."""
    yield heading("What was decided")
    if not file.lines:
        yield paragraph("No line is open to its reader.")
        return
    yield table(
        ("Request", "Partner", "#Counted, g", "Entitled, g", "#Awarded, g", "#Days"),
        (
            (
                line.claimant.request,
                line.claimant.partner,
                f"{line.claimant.accepted_g:,}",
                str(line.entitlement_g) if isinstance(line, DecisionLine) else "-",
                f"{line.award_g:,}",
                days_of_cover(line.award_g, line.claimant.daily_consumption_g) if line.claimant.daily_consumption_g else "-",
            )
            for line in (opened.content for opened in file.lines)
        ),
    )
    if isinstance(file, OwnFile):
        yield note("What it is entitled to, and what the rule published, would tell of other partners. Who certified it attests them.")
    elif len(file.lines) < len(file.decision.lines):
        yield note(f"{len(file.lines)} of {len(file.decision.lines)} lines are open to the reader of this certificate.")


def _working(file: View) -> Iterator[Markup]:
    if isinstance(file, OwnFile):
        return
    yield heading("How: what the rule published")
    yield table(
        ("Class", "Run", "Pool", "#Unit, g", "Branch", "Parameter", "Cut-off, units", "#Ties won"),
        (
            (
                "-" if step.priority_class is None else str(step.priority_class),
                str(step.iteration),
                str(step.pool or "-"),
                f"{step.unit_g:,}",
                str(step.branch or "-"),
                str(step.parameter),
                str(step.cutoff),
                str(step.ties_won),
            )
            for step in file.decision.steps
        ),
    )


def _approvals(certificate: Certificate) -> Iterator[Markup]:
    yield heading("Who approved it")
    yield table(("Approver", "Key", "On"), ((each.subject, each.key, str(each.approved_on)) for each in certificate.approvals))
    if (attested := certificate.attestation) is not None:
        attests = "all lines are by one parameter, and no more than was offered"
        yield paragraph(f"{attested.subject}, who certified it, attests by key {attested.key}: {attests}.")


def _proofs(certificate: Certificate) -> Iterator[Markup]:
    yield heading("What the ledger has of it")
    yield table(("What", "Where"), ((proof.kind, proof.place) for proof in certificate.proofs))
    if certificate.missing:
        yield heading("What is missing")
        yield table(("What", "Why"), ((each.part, each.why) for each in certificate.missing))
