# The dashboard and the terminal in one image: `make image`; how to run it stands in docs/deploy.md.
# Pin the base by digest where you build for others: --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm

# ---- Stage 1: an environment with the wheel and its locked packages, and the catalog.
FROM ${BASE} AS build
ARG PREFIX=/opt/ecoserve
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build

COPY requirements/ requirements/
RUN python -m venv --without-pip "$PREFIX"
RUN python -m venv tools
RUN tools/bin/python -m pip install --quiet --require-hashes --only-binary :all: --requirement requirements/build.lock
RUN tools/bin/python -m pip --python "$PREFIX/bin/python" install --quiet --no-compile --require-hashes --only-binary :all: --requirement requirements/image.lock

COPY pyproject.toml README.md LICENSE ./
COPY ecoserve/ ecoserve/
COPY catalog_db/ catalog_db/
COPY app/ app/
COPY assets/ assets/
RUN tools/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
RUN tools/bin/python -m pip --python "$PREFIX/bin/python" install --quiet --no-compile --no-index --no-deps dist/*.whl
RUN tools/bin/python -m pip --python "$PREFIX/bin/python" check

COPY scripts/trim.py scripts/
RUN python scripts/trim.py "$PREFIX"
RUN "$PREFIX/bin/python" -m compileall -q --invalidation-mode unchecked-hash "$PREFIX/lib"
RUN ECOSERVE_CATALOG="$PREFIX/share/catalog.duckdb" "$PREFIX/bin/ecoserve" catalog build

# ---- Stage 2: Python, that environment, and a user who may write nothing but the library.
FROM ${BASE}
ARG PREFIX=/opt/ecoserve
RUN python -m pip uninstall --quiet --yes --root-user-action ignore pip setuptools wheel \
 && groupadd --gid 10001 ecoserve \
 && useradd --uid 10001 --gid ecoserve --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ecoserve \
 && install --directory --owner ecoserve --group ecoserve --mode 0750 /var/lib/ecoserve
COPY --from=build $PREFIX $PREFIX

# Temporary files, among them catalogs with visitors' own rows, go to /tmp: mount a tmpfs there.
ENV PATH=$PREFIX/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    TMPDIR=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    ECOSERVE_CATALOG=$PREFIX/share/catalog.duckdb \
    ECOSERVE_LIBRARY=/var/lib/ecoserve/library.duckdb

WORKDIR /var/lib/ecoserve
VOLUME /var/lib/ecoserve
EXPOSE 8501
USER 10001:10001

# Every half minute whether the server answers; every ten minutes also the catalog, a small plan and the library.
HEALTHCHECK --interval=30s --timeout=60s --start-period=60s --retries=3 \
    CMD ["ecoserve", "selfcheck", "--server", "http://127.0.0.1:8501", "--every", "10"]
ENTRYPOINT ["ecoserve"]
CMD ["app", "--address", "0.0.0.0", "--port", "8501", "--headless"]
