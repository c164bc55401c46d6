# One image a service:  docker build --build-arg SERVICE=executor --tag taskgrove/executor .
# PYTHON_IMAGE is any Debian or Ubuntu with Python 3.11 or newer: one of your own, where a proxy's certificates or a mirror are needed.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

# The package, the same for all services.
FROM ${PYTHON_IMAGE} AS wheel
ARG PIP_INDEX_URL
WORKDIR /source
COPY requirements/build.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: --target /hatch -r build.txt
COPY pyproject.toml README.md LICENSE ./
COPY taskgrove taskgrove
COPY shared shared
COPY services services
RUN PYTHONPATH=/hatch python -m hatchling build -t wheel -d /wheel

# What one service needs, at its locked hashes, and none of the other services.
FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
ARG SERVICE
RUN case "${SERVICE}" in planner|sequencer|executor|checker|approvals) ;; \
    *) echo "SERVICE is '${SERVICE}'; pass --build-arg SERVICE=planner, sequencer, executor, checker or approvals" >&2; exit 1 ;; esac
RUN python -m venv --without-pip /opt/taskgrove
COPY requirements/${SERVICE}.txt requirements.txt
RUN python -m pip --python /opt/taskgrove/bin/python install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: -r requirements.txt
COPY --from=wheel /wheel /wheel
RUN python -m pip --python /opt/taskgrove/bin/python install --no-cache-dir --disable-pip-version-check --no-deps --no-index /wheel/*.whl \
    && cd "$(/opt/taskgrove/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && find services -mindepth 1 -maxdepth 1 -type d ! -name "${SERVICE}" ! -name __pycache__ -exec rm -r {} + \
    && rm -r taskgrove /opt/taskgrove/bin/taskgrove \
    && printf '#!/bin/sh\nexec /opt/taskgrove/bin/python -m services.%s "$@"\n' "${SERVICE}" > /opt/taskgrove/bin/serve \
    && chmod 755 /opt/taskgrove/bin/serve

FROM ${PYTHON_IMAGE}
ARG SERVICE
# tini reaps what commands leave behind; bubblewrap is the sandbox of the two that run commands.
RUN packages=tini; case "${SERVICE}" in executor|checker) packages="tini bubblewrap" ;; esac \
    && apt-get update -q && apt-get install -qy --no-install-recommends ${packages} && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/taskgrove --shell /usr/sbin/nologin taskgrove \
    && install -d -o 10001 -g 10001 /var/lib/taskgrove /var/lib/taskgrove/work /var/lib/taskgrove/artifacts
COPY --from=build /opt/taskgrove /opt/taskgrove
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="taskgrove-${SERVICE}" \
    org.opencontainers.image.description="Taskgrove's ${SERVICE}: notes in, verified work out" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
ENV TASKGROVE_HTTP_HOST=0.0.0.0 TASKGROVE_HTTP_PORT=8080 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /var/lib/taskgrove
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["/opt/taskgrove/bin/python", "-m", "shared.health"]
ENTRYPOINT ["tini", "--", "/opt/taskgrove/bin/serve"]
