# The bot in a container: unprivileged, and able to run on a read-only root file system. State is in one volume.
#
#   docker build -t playbook-bot .
#   docker run --rm -v playbook-bot:/var/lib/playbook-bot --env-file bot.env playbook-bot db upgrade
#   docker run --init --read-only --tmpfs /tmp -p 8080:8080 -v playbook-bot:/var/lib/playbook-bot --env-file bot.env \
#       -v "$PWD/playbooks:/etc/playbook-bot/playbooks:ro" -e PLAYBOOK_BOT_PLAYBOOKS=/etc/playbook-bot/playbooks playbook-bot

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/base.in requirements/base.txt requirements/dev.txt requirements/
# Two environments, so that what builds the package does not travel with it; both only from hashed pins.
RUN python -m venv /opt/build \
    && awk '/^setuptools==/,!/\\$/' requirements/dev.txt > build.txt \
    && /opt/build/bin/python -m pip install --require-hashes -r build.txt
RUN python -m venv --without-pip /opt/playbook-bot \
    && /opt/build/bin/python -m pip --python /opt/playbook-bot/bin/python install \
        --require-hashes --only-binary :all: -r requirements/base.txt
COPY pyproject.toml README.md LICENSE ./
COPY approvals approvals
COPY audit audit
COPY bot bot
COPY engine engine
COPY infra infra
COPY migrations migrations
COPY playbooks playbooks
RUN /opt/build/bin/python -m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/build/bin/python -m pip --python /opt/playbook-bot/bin/python install --no-index --no-deps /wheel/*.whl \
    && /opt/playbook-bot/bin/python -m compileall -q -j 0 /opt/playbook-bot/lib

FROM python:3.11-slim-bookworm
RUN python -m pip uninstall --yes --quiet pip setuptools wheel \
    && useradd --system --uid 10001 --home-dir /var/lib/playbook-bot --create-home --shell /usr/sbin/nologin playbook-bot
COPY --from=build /opt/playbook-bot /opt/playbook-bot
ENV PATH=/opt/playbook-bot/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PLAYBOOK_BOT_DATABASE_URL=sqlite:////var/lib/playbook-bot/playbook-bot.db \
    PLAYBOOK_BOT_HTTP_HOST=0.0.0.0 \
    PLAYBOOK_BOT_HTTP_PORT=8080
USER 10001
WORKDIR /var/lib/playbook-bot
VOLUME /var/lib/playbook-bot
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PLAYBOOK_BOT_HTTP_PORT']), timeout=3); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["playbook-bot"]
CMD ["serve"]
