"""The report on a release as a page for print."""

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from shared.http.print_page import facts, heading, note, page, paragraph, table


def page_of(report: Mapping[str, Any], document: str) -> str:
    """The page of a `ReportView`, as a mapping. `document`: SHA-256 of the same report as JSON."""
    title = f"Report on the release of {report['product']}, certified on {report['certified_on']}"
    return page(
        title,
        [
            paragraph(f"Round {report['round']}. To the Minister."),
            *_released(report),
            *_why(report),
            *_how(report),
            *_stock(report["stock"]),
            *_approved(report),
            *_since(report),
            *_proof(report, document),
        ],
    )


def _released(report: Mapping[str, Any]) -> Iterable[Markup]:
    stock = report["stock"]
    yield heading("What was released, and to whom")
    yield paragraph(
        f"Of {_grams(stock['offered_g'])} on offer, {_grams(stock['awarded_g'])} were awarded. They may be drawn until "
        f"{report['expires_on']}."
    )
    yield table(
        ("Partner", "#Asked, g", "#Awarded, g", "#Days bought"),
        ((each["partner"], _count(each["asked_g"]), _count(each["awarded_g"]), each["days_bought"]) for each in report["partners"]),
    )
    yield note("Days bought: what the awards last at the daily consumption that the requests state.")
    yield heading("Each request")
    yield table(
        ("Request", "Partner", "Contracts and pays", "End use", "#Accepted, g", "#Awarded, g", "#Days"),
        (
            (
                line["request"],
                line["partner"],
                line["nominee"],
                line["end_use"] if line["return_on"] is None else f"{line['end_use']} (a loan, back by {line['return_on']})",
                _count(line["accepted_g"]),
                _count(line["award_g"]),
                line["days_of_cover"],
            )
            for line in report["lines"]
        ),
    )


def _why(report: Mapping[str, Any]) -> Iterable[Markup]:
    yield heading("Why: the disruption and its evidence")
    if (found := report["disruption"]) is None:
        yield paragraph("The round was held in the ordinary course: it names no disruption.")
        return
    ended = "" if found["ends_on"] is None else f", ended on {found['ends_on']}"
    yield facts(
        [
            ("Disruption", found["disruption"]),
            ("Instrument", found["instrument"]),
            ("Since", f"{found['starts_on']}{ended}"),
            ("Declared", found["declared_scope"]),
            ("Observed", found["observed_scope"]),
            ("Partners hit", ", ".join(found["partners"])),
            *(("Evidence", each) for each in found["evidence"]),
        ]
    )


def _how(report: Mapping[str, Any]) -> Iterable[Markup]:
    decided = report["decided_by"]
    yield heading("How it was decided")
    yield facts(
        [
            ("Rule", decided["rule"]),
            *((f"Its {name}", str(each)) for name, each in decided["method"].items() if name != "rule" and each),
            ("Policy", f"{decided['policy']}, version {decided['policy_version']}"),
            ("Approvals needed", _quorum(decided)),
        ]
    )


def _stock(stock: Mapping[str, Any]) -> Iterable[Markup]:
    yield heading("What was left, and protected stock")
    yield facts(
        [
            ("Available before", _grams(stock["available_g"])),
            ("Left of the offer", _grams(stock["left_of_offer_g"])),
            ("Available after", _grams(stock["kept_g"])),
            ("Protected, never offered", _grams(stock["protected_g"])),
        ]
    )
    if not (changes := stock["protected_changes"]):
        yield paragraph("Protected stock was not touched.")
        return
    yield table(
        ("Set on", "#Before, g", "#After, g", "Authority", "Reason", "In the journal"),
        (
            (str(each["set_on"]), _count(each["before_g"]), _count(each["after_g"]), each["authority"], each["reason"], each["place"])
            for each in changes
        ),
    )


def _approved(report: Mapping[str, Any]) -> Iterable[Markup]:
    yield heading("Who decided")
    yield paragraph(f"Proposed by {report['proposed_by']}. Each approval is a signature over the decision.")
    yield table(
        ("Approver", "Key", "Approved on", "Signature"),
        ((each["subject"], each["key"], str(each["approved_on"]), each["signature"]) for each in report["approvals"]),
    )
    yield note("People are named by opaque subjects: the administrator knows who they are.")
    yield heading("By what authority")
    for each in report["approvals"]:
        if each["authority"] is None:
            yield paragraph(f"{each['subject']} approved before approvals cited an authority.")
        else:
            yield from _authority(each["authority"])


def _authority(cited: Mapping[str, Any]) -> Iterable[Markup]:
    yield paragraph(f"{cited['by']}, to {cited['act']}, on {cited['cited_on']} ({cited['place']}):")
    yield table(
        ("Instrument", "Kind", "Office", "Limits"),
        ((f"{link['title']} ({link['instrument']})", link["kind"], link["office"], _limits(link)) for link in cited["chain"]),
    )


def _since(report: Mapping[str, Any]) -> Iterable[Markup]:
    yield heading("Emergency")
    if (emergency := report["emergency"]) is None:
        yield paragraph("The release was decided in the ordinary way.")
    else:
        yield facts(
            [
                ("Decided", "in an emergency, on one approval"),
                ("To be ratified by", str(emergency["ratify_by"])),
                ("Ratification", emergency["ratification"] or ""),
                ("Ratified by", emergency["ratified_by"] or "nobody yet"),
            ]
        )
        if emergency["authority"] is not None:
            yield from _authority(emergency["authority"])
    yield heading("Objections and reviews")
    if not report["objections"] and not report["reviews"]:
        yield paragraph("There is none.")
    if report["objections"]:
        yield table(
            ("Objection", "Partner", "To", "Reasons", "Status"),
            (
                (
                    each["objection"],
                    each["partner"],
                    f"{_grams(each['accepted_g'])} of {each['request']}",
                    "; ".join(each["reasons"]),
                    each["status"],
                )
                for each in report["objections"]
            ),
        )
    if report["reviews"]:
        yield table(
            ("Review", "Asked for by", "Grounds", "Status", "Outcome"),
            (
                (each["review"], each["partner"] or "an operator", "; ".join(each["grounds"]), each["status"], each["outcome"] or "")
                for each in report["reviews"]
            ),
        )


def _proof(report: Mapping[str, Any], document: str) -> Iterable[Markup]:
    proof = report["proof"]
    yield heading("Proof")
    yield facts(
        [
            ("Decision, SHA-256", proof["decision"]),
            ("Decision with every line, SHA-256", proof["file"]),
            ("In the journal", proof["certified_in"]),
            ("This report as JSON, SHA-256", document),
        ]
    )
    yield heading("How to check it")
    yield from (paragraph(f"{number}. {step}") for number, step in enumerate(proof["check"], 1))


def _quorum(decided: Mapping[str, Any]) -> str:
    steps = [f"{step['approvals']} above {_grams(step['above_g'])}" for step in decided["quorum"]]
    return str(decided["approvals_needed"]) + (f" (by its policy: {'; '.join(steps)})" if steps else "")


def _limits(link: Mapping[str, Any]) -> str:
    limits = [] if link["limit_g"] is None else [_grams(link["limit_g"])]
    if link["limit_minor"] is not None:
        limits.append(f"{_count(link['limit_minor'])} minor units of {link['currency']}")
    return ", ".join(limits) or "none"


def _count(grams: int) -> str:
    return f"{grams:,}"


def _grams(grams: int) -> str:
    return f"{grams:,} g"
