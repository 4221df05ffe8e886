# Metadata of an instance, version 2, as far as a run asks for it.
import http.server
import json

DOCUMENT = {
    "instanceId": "i-0123456789abcdef0", "region": "eu-west-1", "availabilityZone": "eu-west-1b",
    "accountId": "123456789012", "privateIp": "10.20.30.40",
}
TREE = {
    "dynamic/instance-identity/document": json.dumps(DOCUMENT),
    "meta-data/tags/instance": "Name",
    "meta-data/tags/instance/Name": "machine",
    "meta-data/local-hostname": "machine",
}


class Imds(http.server.BaseHTTPRequestHandler):
    def answer(self, code, text=""):
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        self.answer(200, "token")

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") != "token":
            return self.answer(401)
        text = TREE.get(self.path.strip("/").split("/", 1)[1])
        self.answer(404) if text is None else self.answer(200, text)


http.server.ThreadingHTTPServer(("127.0.0.1", 8100), Imds).serve_forever()
