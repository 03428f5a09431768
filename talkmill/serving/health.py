"""Health as Kubernetes and gRPC clients ask for it: `liveness`, `readiness`, and the server as a whole."""

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

LIVENESS, READINESS, OVERALL = "liveness", "readiness", ""
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Health:
    """Alive from the start; ready when the models are loaded, until the drain begins. Being busy changes neither."""

    def __init__(self) -> None:
        self.servicer = HealthServicer()

    async def alive(self) -> None:
        """Say that the process runs."""
        await self.servicer.set(LIVENESS, SERVING)
        await self.not_ready()

    async def ready(self) -> None:
        """Say that calls are taken."""
        for name in (READINESS, OVERALL):
            await self.servicer.set(name, SERVING)

    async def not_ready(self) -> None:
        """Say that calls are refused."""
        for name in (READINESS, OVERALL):
            await self.servicer.set(name, NOT_SERVING)
