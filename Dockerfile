# syntax=docker/dockerfile:1.7
# Two stages: the first builds wheels and compiles the detectors, the second holds what runs and nothing else.
# tests/deploy/test_image.py takes the steps of this file apart and runs what can be run without an engine.

FROM python:3.11.14-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY stream ./stream
# Wheels only: a package that would have to be compiled here fails the build, instead of bringing a compiler along.
RUN pip wheel --no-deps --wheel-dir /wheels . \
    && pip wheel --only-binary :all: --constraint constraints.txt --wheel-dir /wheels /wheels/*.whl
RUN python -m venv --without-pip /opt/ews \
    && pip --python /opt/ews/bin/python install --no-index --no-deps --compile /wheels/*.whl

# The compiled detectors. `generic`: code for any processor of this architecture; what is compiled for the builder's own
# would be compiled again, for a minute at each start, wherever another one runs it.
ENV NUMBA_CACHE_DIR=/opt/ews-cache \
    NUMBA_CPU_NAME=generic
RUN /opt/ews/bin/python -c "from stream.agents.accounts import AccountsStep; AccountsStep.warm_up()" \
    && chmod -R a+rX,a-w /opt/ews-cache


FROM python:3.11.14-slim-bookworm

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="early-warning-stream" \
      org.opencontainers.image.description="Early warning of financial stress: core-banking events in, nudges and escalations out, exactly once." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.11.14-slim-bookworm"

# tini is process 1: it hands SIGTERM on from the first moment (a Python that is process 1 ignores it until its handlers
# are set) and reaps what is left behind. Nothing that installs packages stays.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && python -m pip uninstall --yes --root-user-action=ignore setuptools wheel pip \
    && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ews

COPY --from=build /opt/ews /opt/ews
COPY --from=build /opt/ews-cache /opt/ews-cache

# The root file system may be read-only; /tmp must be writable (a tmpfs will do).
ENV PATH=/opt/ews/bin:/usr/local/bin:/usr/bin:/bin \
    NUMBA_CACHE_DIR=/opt/ews-cache \
    NUMBA_CPU_NAME=generic \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
EXPOSE 6066
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('EWS_WEB_PORT', '6066')), timeout=4); c.request('GET', '/live'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["tini", "--", "ews"]
CMD ["worker"]
