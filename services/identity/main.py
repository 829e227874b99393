"""The identity service as an ASGI application."""

from fastapi import FastAPI

from services.identity.api import routes
from services.identity.clients import known_in
from services.identity.issuer import Issuer
from services.identity.tokens import TokenSigner, signing_key
from shared.http import openapi, problems
from shared.observe import telemetry
from shared.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Reads the clients that `clients.seed` made in the data folder.

    Raises FileNotFoundError before `seed`; ValueError without an issuer.
    """
    if not settings.issuer or settings.issuer.endswith("/"):
        raise ValueError("RESERVE_ISSUER must be the public URL that tokens name, without a slash at its end")
    signer = TokenSigner(signing_key(settings.data_dir / "keys"), issuer=settings.issuer, audience=settings.audience)
    telemetry.configure("identity", settings)
    app = serve_issuer(Issuer(settings.issuer, known_in(settings.data_dir), signer))
    telemetry.instrument(app, "identity", settings)
    return app


def serve_issuer(issuer: Issuer) -> FastAPI:
    app = FastAPI(
        title="Reserve identity",
        version="1",
        docs_url=None,
        redoc_url=None,
        servers=[{"url": "/", "description": "at the edge, which has it without a prefix"}],
        responses=problems.RESPONSES,
        generate_unique_id_function=openapi.operation_id,
    )
    app.include_router(routes(issuer))
    problems.install(app)
    openapi.install(app)
    app.add_middleware(problems.BodyGuard)

    @app.get("/livez", include_in_schema=False)
    @app.get("/readyz", include_in_schema=False)
    async def ready() -> dict[str, str]:
        """What it needs was read before it could answer."""
        return {"status": "ready"}

    return app
