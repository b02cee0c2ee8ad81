# fewclicks for CPUs: `docker build -t fewclicks . && docker run --rm -p 8000:8000 -v "$PWD/photos:/photos" fewclicks`
# prints an address with a token, as whoever reaches the container could otherwise change the annotations.
FROM python:3.13-slim AS build
COPY pyproject.toml README.md LICENSE NOTICE constraints.txt /source/
COPY src /source/src
RUN python -m venv /opt/fewclicks \
    && /opt/fewclicks/bin/pip install --no-cache-dir -c /source/constraints.txt "/source[annotate,postgresql,s3]"

FROM python:3.13-slim
COPY --from=build /opt/fewclicks /opt/fewclicks
RUN useradd --create-home --uid 1000 fewclicks && mkdir /photos && chown fewclicks /photos
USER 1000
ENV PATH=/opt/fewclicks/bin:$PATH
VOLUME /photos
EXPOSE 8000 9090
# Of the annotator; for other commands: `docker run --no-healthcheck`.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/api/v1/healthz', timeout=4)"]
ENTRYPOINT ["fewclicks"]
CMD ["annotate", "/photos", "--host", "0.0.0.0", "--port", "8000", "--no-browser"]
