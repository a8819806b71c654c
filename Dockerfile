# A small image of the packaged program: `cargo xtask package`, then
# `docker build --tag retrocast --build-arg PACKAGE=target/package/retrocast-0.1.0-x86_64.tar.gz .`
FROM debian:12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/*
ARG PACKAGE
ADD ${PACKAGE} /opt/
RUN ln -s /opt/retrocast-*/bin/retrocast /usr/local/bin/retrocast
USER nobody
WORKDIR /work
ENTRYPOINT ["retrocast"]
