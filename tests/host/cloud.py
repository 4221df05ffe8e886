# What a machine finds around it on EC2, on loopback: metadata (8100), S3 and parameters (8101), an image registry with a
# login (8102), a package mirror that has nothing (8103). All below /srv/stage: instance.json says who the machine is,
# bucket/ is what S3 holds, root/ what is in the images, log who was asked. Ports that the file `closed` names hang up.
import base64
import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
import urllib.parse

STAGE = "/srv/stage"


def read(name):
    with open(os.path.join(STAGE, name), "rb") as f:
        return f.read()


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def image(name):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(os.path.join(STAGE, "root"), arcname=".")
    layer = packed.getvalue()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    config = json.dumps({
        "architecture": machine, "os": "linux", "created": "2026-11-20T08:00:00Z",
        "config": {"Cmd": ["httpd", "-f", "-p", "80", "-h", "/www"], "Env": ["PATH=/bin"], "Labels": {"is": name}},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
    }).encode()
    kind = "application/vnd.docker."
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": kind + "distribution.manifest.v2+json",
        "config": {"mediaType": kind + "container.image.v1+json", "size": len(config), "digest": digest(config)},
        "layers": [{
            "mediaType": kind + "image.rootfs.diff.tar.gzip", "size": len(layer), "digest": digest(layer),
        }],
    }).encode()
    return manifest, {digest(config): config, digest(layer): layer}


IMAGES = {name: image(name) for name in ["web", "worker"]}
BLOBS = {key: content for _, blobs in IMAGES.values() for key, content in blobs.items()}


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_one_request(self):
        # Noted before anything is read, whatever it is.
        port = self.server.server_address[1]
        if not self.raw_requestline_begins():
            self.close_connection = True
            return
        with open(os.path.join(STAGE, "log"), "a") as log:
            log.write(f"{port}\n")
        if str(port) in read("closed").decode().split():
            self.close_connection = True
            return
        super().handle_one_request()

    def raw_requestline_begins(self):
        return bool(self.rfile.peek(1))

    def do_GET(self):
        {8100: self.metadata, 8101: self.objects, 8102: self.registry, 8103: self.nothing}[self.server.server_address[1]]()

    do_HEAD = do_GET

    def do_PUT(self):
        self.answer(200, b"token")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if "X-Amz-Target" not in self.headers:
            return self.answer(403, b"<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>")
        wanted = json.loads(body)
        values = json.loads(read("parameters.json"))
        found = {"Parameter": {"Name": wanted["Name"], "Type": "SecureString", "Value": values[wanted["Name"]], "Version": 1}}
        return self.answer(200, json.dumps(found).encode(), Content_Type="application/x-amz-json-1.1")

    def nothing(self):
        self.answer(404)

    def metadata(self):
        if self.headers.get("X-aws-ec2-metadata-token") != "token":
            return self.answer(401)
        instance = json.loads(read("instance.json"))
        tree = {
            "dynamic/instance-identity/document": json.dumps(instance["document"]),
            "meta-data/local-hostname": "ip-10-20-30-40", "meta-data/tags/instance": "\n".join(instance["tags"]),
            "meta-data/public-keys": "0=packer", "meta-data/public-keys/0/openssh-key": instance["key"],
        }
        tree.update({f"meta-data/tags/instance/{name}": value for name, value in instance["tags"].items()})
        found = tree.get(self.path.strip("/").split("/", 1)[1])
        return self.answer(200, found.encode()) if found else self.answer(404)

    def objects(self):
        url = urllib.parse.urlparse(self.path)
        query = urllib.parse.parse_qs(url.query)
        bucket = os.path.join(STAGE, "bucket")
        if "list-type" not in query:
            key = urllib.parse.unquote(url.path).split("/", 2)[2]
            try:
                body = read(os.path.join("bucket", key))
            except FileNotFoundError:
                error = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
                return self.answer(404, error, Content_Type="application/xml")
            return self.answer(200, body, ETag=f'"{hashlib.md5(body).hexdigest()}"')
        prefix, items = query.get("prefix", [""])[0], ""
        paths = sorted(os.path.join(d, f) for d, _, files in os.walk(bucket) for f in files)
        for key in (os.path.relpath(path, bucket) for path in paths):
            if key.startswith(prefix):
                body = read(os.path.join("bucket", key))
                items += (
                    f"<Contents><Key>{key}</Key><LastModified>2026-11-20T08:00:00.000Z</LastModified>"
                    f"<ETag>&quot;{hashlib.md5(body).hexdigest()}&quot;</ETag><Size>{len(body)}</Size></Contents>"
                )
        text = (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>rolecall</Name>'
            f"<Prefix>{prefix}</Prefix><IsTruncated>false</IsTruncated>{items}</ListBucketResult>"
        )
        return self.answer(200, text.encode(), Content_Type="application/xml")

    def registry(self):
        login = "Basic " + base64.b64encode(read("login").strip()).decode()
        if self.headers.get("Authorization") != login:
            return self.answer(401, WWW_Authenticate='Basic realm="registry"')
        parts = self.path.strip("/").split("/")
        if parts == ["v2"]:
            return self.answer(200, b"{}")
        name, kind, reference = parts[2], parts[3], parts[4]
        if kind == "blobs":
            return self.answer(200, BLOBS[reference])
        manifest = IMAGES[name][0]
        kind = json.loads(manifest)["mediaType"]
        return self.answer(200, manifest, Content_Type=kind, Docker_Content_Digest=digest(manifest))

    def log_message(self, *_):
        pass


for port in [8101, 8102, 8103]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(("127.0.0.1", 8100), Server).serve_forever()
