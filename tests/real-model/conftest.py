"""What the tests share: one server with the model for all of them, a gateway for each."""

import json

import pytest
import stage


@pytest.fixture(scope="session")
def model_url():
    with stage.llama() as url:
        yield url


@pytest.fixture
def house(model_url):
    with stage.zos(model_url) as (url, home):
        yield url, home


@pytest.fixture
def calls(house):
    """The records of the calls so far."""

    def records():
        files = sorted((house[1] / "gateway/audit").glob("*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [record for record in lines if record["kind"] == "call"]

    return records
