# syntax=docker/dockerfile:1.7
#
# The official Envoy with the three filters in /opt/weirgate/filters. Build it from the root of the repository:
#   docker build -f deploy/docker/envoy.Dockerfile -t weirgate-envoy .
# It reads /run/envoy/envoy.yaml, which `weirgate render --filters /opt/weirgate/filters` writes.

FROM rust:1.95.0-slim-trixie AS filters
RUN rustup target add wasm32-wasip1
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    filters/build.sh \
    && install -D -m 0644 -t /out target/filters/*.wasm

# 1.40 is the first Envoy with the priority_group cluster specifier, which the order of providers rests on.
FROM envoyproxy/envoy:v1.40.0
COPY --from=filters /out /opt/weirgate/filters
RUN install -d -o 10001 -g 10001 /run/envoy
USER 10001:10001
EXPOSE 8080
ENTRYPOINT ["envoy"]
CMD ["--config-path", "/run/envoy/envoy.yaml", "--disable-hot-restart", "--log-level", "warn"]
