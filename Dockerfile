# syntax=docker/dockerfile:1
#
# The image of enroll: docker build --tag enroll .
# The list of what is in it (CycloneDX): docker build --target sbom --output type=local,dest=. .
#
# Base images are named by tag. Pin them by digest where images are built, with the digests that your registry tells
# (docker buildx imagetools inspect IMAGE); a digest in this file would be one that nobody here has pulled.

# Debian's version of both base images, so that the binary finds the C library that it was linked with.
ARG DEBIAN=trixie
ARG DISTROLESS=debian13

# Tools alone, so that a change of the code does not build them again.
FROM rust:1.95-slim-${DEBIAN} AS tools
ARG CARGO_AUDITABLE=0.7.7
ARG CARGO_CYCLONEDX=0.5.9
RUN cargo install --locked "cargo-auditable@${CARGO_AUDITABLE}" "cargo-cyclonedx@${CARGO_CYCLONEDX}"

# Dependencies alone: built from the manifests with empty sources, and again only when a manifest or the lock changes.
FROM rust:1.95-slim-${DEBIAN} AS dependencies
WORKDIR /build
COPY --from=tools /usr/local/cargo/bin/cargo-auditable /usr/local/cargo/bin/cargo-cyclonedx /usr/local/cargo/bin/
COPY Cargo.toml Cargo.lock ./
COPY entity/Cargo.toml entity/
COPY migration/Cargo.toml migration/
RUN mkdir -p src entity/src migration/src \
    && for file in src/lib.rs entity/src/lib.rs migration/src/lib.rs src/main.rs; do echo '//! Empty.' > "$file"; done \
    && echo 'fn main() {}' >> src/main.rs \
    && cargo auditable build --release --locked

FROM dependencies AS build
COPY assets assets
COPY config config
COPY templates templates
COPY entity entity
COPY migration migration
COPY src src
# Cargo compares times of files, and these may be older than the empty ones that were built above.
RUN find src entity migration -name '*.rs' -exec touch {} + \
    && cargo auditable build --release --locked \
    && install -D -m 755 target/release/enroll /out/usr/local/bin/enroll \
    && install -d -m 700 /out/var/lib/enroll
RUN cargo cyclonedx --format json --spec-version 1.5 --override-filename enroll.cdx \
    && install -D -m 644 enroll.cdx.json /out/usr/share/sbom/enroll.cdx.json

FROM scratch AS sbom
COPY --from=build /out/usr/share/sbom/enroll.cdx.json /

# The C library, libgcc, certificates of authorities and the user 65532; no shell, no package manager.
FROM gcr.io/distroless/cc-${DISTROLESS}:nonroot
LABEL org.opencontainers.image.title="enroll" \
      org.opencontainers.image.description="A registration server for many tenants" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/usr /usr
# The one place that is written to: SQLite files, and the master key unless a file is named for it.
COPY --from=build --chown=65532:65532 /out/var/lib/enroll /var/lib/enroll
# All addresses, since loopback is the container's own.
ENV ENROLL__SERVER__PUBLIC_LISTEN=0.0.0.0:8080 \
    ENROLL__SERVER__ADMIN_LISTEN=0.0.0.0:9090 \
    ENROLL__DATA__DIR=/var/lib/enroll \
    ENROLL__TELEMETRY__LOG_FORMAT=json
USER 65532:65532
WORKDIR /var/lib/enroll
VOLUME /var/lib/enroll
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["/usr/local/bin/enroll", "health"]
ENTRYPOINT ["/usr/local/bin/enroll"]
CMD ["serve"]
