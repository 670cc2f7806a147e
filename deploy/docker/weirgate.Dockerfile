# syntax=docker/dockerfile:1.7
#
# The service that Envoy calls, and, as a target of its own, the mock provider. Build it from the root of the repository:
#   docker build -f deploy/docker/weirgate.Dockerfile -t weirgate .

FROM rust:1.95.0-slim-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p ext-proc-server -p mock-provider \
    && install -D -t /out target/release/weirgate target/release/mock-provider

# The folders are made here, so that a new volume mounted over one belongs to the user that writes to it.
FROM debian:trixie-20260803-slim AS base
RUN groupadd --gid 10001 weirgate \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin weirgate \
    && install -d -o 10001 -g 10001 /run/envoy /var/lib/weirgate
USER 10001:10001

FROM base AS mock-provider
COPY --from=build /out/mock-provider /usr/local/bin/
EXPOSE 9100
ENTRYPOINT ["mock-provider"]
CMD ["--listen", "0.0.0.0:9100"]

FROM base AS weirgate
COPY --from=build /out/weirgate /usr/local/bin/
EXPOSE 9900 9901
ENTRYPOINT ["weirgate"]
CMD ["serve", "--config", "/etc/weirgate/weirgate.yaml"]
