"""The admin API of a gateway, called as somebody."""

import httpx2

ADMIN = "weirgate-key-of-the-admin"
VIEWER = "weirgate-key-of-the-viewer"


def with_admins(config):
    """Adds admins to a configuration."""
    config["admins"] = [
        {"name": "root", "key": ADMIN, "role": "admin"},
        {"name": "eve", "key": VIEWER, "role": "viewer"},
    ]


class Api:
    """Calls as whoever holds this key. Each returns what the API answers, and fails where it refuses."""

    def __init__(self, gateway, key=ADMIN):
        self._client = httpx2.Client(
            base_url=f"{gateway.admin}/admin/v1", headers={"authorization": f"Bearer {key}"}, timeout=30
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.close()

    def get(self, path, **parameters):
        return self._ask("GET", path, params=parameters).json()

    def text(self, path, **parameters):
        return self._ask("GET", path, params=parameters).text

    def post(self, path, **body):
        return self._ask("POST", path, json=body).json()

    def act(self, path):
        """A POST without a body."""
        return self._ask("POST", path).json()

    def patch(self, path, **body):
        return self._ask("PATCH", path, json=body).json()

    def delete(self, path):
        self._ask("DELETE", path)

    def answer(self, method, path, **rest):
        """Whatever is answered."""
        return self._client.request(method, path, **rest)

    def _ask(self, method, path, **rest):
        answer = self.answer(method, path, **rest)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer
