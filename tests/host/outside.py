# What a first boot finds outside, on the machine itself: files, metadata, a bucket that is not there, and a proxy to the
# files over TLS. Each request is a line of /srv/log.
import http.server
import json
import os
import select
import socket
import ssl
import threading

DOCUMENT = {"instanceId": "i-0123456789abcdef0", "region": "eu-west-1", "accountId": "123456789012"}
KEYS = {
    "Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC", "AccessKeyId": "AKIAEXAMPLE",
    "SecretAccessKey": "example", "Token": "example", "Expiration": "2099-01-01T00:00:00Z",
}
METADATA = {
    "dynamic/instance-identity/document": json.dumps(DOCUMENT),
    "meta-data/tags/instance": "Name",
    "meta-data/tags/instance/Name": "machine",
    "meta-data/iam/security-credentials": "role",
    "meta-data/iam/security-credentials/role": json.dumps(KEYS),
}
NO_BUCKET = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>"


class Outside(http.server.BaseHTTPRequestHandler):
    def answer(self, code, content=b"", length=None, headers=()):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_PUT(self):
        self.answer(200, b"token", 5, [("x-aws-ec2-metadata-token-ttl-seconds", "21600")])

    def do_GET(self):
        with open("/srv/log", "a") as log:
            log.write(self.path + "\n")
        path = self.path.split("?")[0].strip("/")
        root, _, rest = path.partition("/")
        if root == "latest" or root[:2] == "20":
            text = METADATA.get(rest)
            return self.answer(404, length=0) if text is None else self.answer(200, text.encode(), len(text))
        # `cut` ends in the middle and has said how long it would be, `short` has not, and `chunked` has no last chunk.
        how, file = (root, rest) if root in ("cut", "short", "chunked") else ("whole", path)
        try:
            with open("/srv/www/" + file, "rb") as opened:
                content = opened.read()
        except OSError:
            return self.answer(404, NO_BUCKET.encode(), len(NO_BUCKET), [("Content-Type", "application/xml")])
        half = content if file.endswith(".sha256") else content[:len(content) // 2]
        if how == "whole" or half is content:
            self.answer(200, content, len(content))
        elif how == "cut":
            self.answer(200, half, len(content))
        elif how == "short":
            self.answer(200, half)
        else:
            self.protocol_version = "HTTP/1.1"
            chunk = b"%x\r\n%s\r\n" % (len(half), half)
            self.answer(200, chunk, headers=[("Transfer-Encoding", "chunked")])
        self.close_connection = True

    do_HEAD = do_GET

    def do_CONNECT(self):
        with open("/srv/log", "a") as log:
            log.write("CONNECT " + self.path + "\n")
        with socket.create_connection(("127.0.0.1", 8443)) as server:
            self.answer(200)
            ends = {self.connection: server, server: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)


def serve(port, tls=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Outside)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if os.path.exists("/srv/tls.pem"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/srv/tls.pem")
    threading.Thread(target=serve, args=(8443, context), daemon=True).start()
serve(8000)
