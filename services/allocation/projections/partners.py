"""Read tables of partners: their keys, agreements and disruptions."""

from datetime import date

from services.allocation.events import (
    AgreementAmended,
    AgreementEnded,
    AgreementEvent,
    AgreementResumed,
    AgreementSigned,
    AgreementSuspended,
    AgreementSuspensionConfirmed,
    DisruptionDeclared,
    DisruptionEnded,
    DisruptionRevised,
    PartnerEvent,
    PartnerRegistered,
)
from services.allocation.events.partner import PartnerKeyRegistered, PartnerKeyRevoked
from shared.journal.connection import Connection, as_json


async def project_partner(connection: Connection, event: PartnerEvent, on: date, version: int) -> None:
    match event:
        case PartnerRegistered():
            await connection.execute(
                "INSERT INTO partners (partner, name, version) VALUES ($1, $2, $3)", event.partner, event.name, version
            )
        case PartnerKeyRegistered():
            await connection.execute(
                """INSERT INTO partner_keys (id, partner, key, public_key, agreement, registered_on) VALUES ($1, $2, $3, $4, $5, $6)""",
                *(f"{event.partner}/{event.key}", event.partner, event.key, event.public_key, event.agreement, on),
            )
            await connection.execute("UPDATE partners SET version = $2 WHERE partner = $1", event.partner, version)
        case PartnerKeyRevoked():
            await connection.execute("UPDATE partner_keys SET revoked_on = $2 WHERE id = $1", f"{event.partner}/{event.key}", on)
            await connection.execute("UPDATE partners SET version = $2 WHERE partner = $1", event.partner, version)


async def project_agreement(connection: Connection, event: AgreementEvent, version: int) -> None:
    match event:
        case AgreementSigned():
            await connection.execute(
                """INSERT INTO agreements (agreement, partner, products, priority_class, valid_from, valid_until, ended, suspended,
                                           key_fingerprint, version)
                   VALUES ($1, $2, $3, $4, $5, $6, false, false, $7, $8)""",
                event.agreement,
                event.partner,
                as_json(event.products),
                event.priority_class,
                event.valid_from,
                event.valid_until,
                event.key_fingerprint,
                version,
            )
        case AgreementAmended():
            await connection.execute(
                """UPDATE agreements SET products = $2, priority_class = $3, valid_until = $4,
                                         key_fingerprint = coalesce($5, key_fingerprint), version = $6
                   WHERE agreement = $1""",
                event.agreement,
                as_json(event.products),
                event.priority_class,
                event.valid_until,
                event.key_fingerprint,
                version,
            )
        case AgreementEnded():
            await connection.execute("UPDATE agreements SET ended = true, version = $2 WHERE agreement = $1", event.agreement, version)
        case AgreementSuspended() | AgreementResumed():
            await connection.execute(
                """UPDATE agreements SET suspended = $2, suspended_by = $3, suspension_lapses_at = $4, suspension_confirmed_by = NULL,
                                         version = $5
                   WHERE agreement = $1""",
                event.agreement,
                isinstance(event, AgreementSuspended),
                *((event.suspended_by, event.lapses_at) if isinstance(event, AgreementSuspended) else (None, None)),
                version,
            )
        case AgreementSuspensionConfirmed():
            await connection.execute(
                """UPDATE agreements SET suspension_lapses_at = NULL, suspension_confirmed_by = $2, version = $3 WHERE agreement = $1""",
                event.agreement,
                event.confirmed_by,
                version,
            )


async def project_disruption(connection: Connection, event: DisruptionDeclared | DisruptionRevised | DisruptionEnded, version: int) -> None:
    match event:
        case DisruptionDeclared():
            await connection.execute(
                """INSERT INTO disruptions (disruption, instrument, products, declared_scope, observed_scope, partners, starts_on,
                                            evidence, version)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
                event.disruption,
                event.instrument,
                as_json(event.products),
                event.declared_scope,
                event.observed_scope,
                as_json(event.partners),
                event.starts_on,
                as_json(event.evidence),
                version,
            )
        case DisruptionRevised():
            await connection.execute(
                """UPDATE disruptions SET declared_scope = $2, observed_scope = $3, partners = $4, starts_on = $5, evidence = $6,
                                          version = $7
                   WHERE disruption = $1""",
                event.disruption,
                event.declared_scope,
                event.observed_scope,
                as_json(event.partners),
                event.starts_on,
                as_json(event.evidence),
                version,
            )
        case DisruptionEnded():
            await connection.execute(
                "UPDATE disruptions SET ends_on = $2, version = $3 WHERE disruption = $1", event.disruption, event.ends_on, version
            )
