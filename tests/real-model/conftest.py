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
    if model_url.process.poll() is not None:
        model_url.check_alive()
    with stage.zos(model_url) as (url, home):
        yield url, home


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A test that fails because the model's server died says that, not what zOS answered then."""
    try:
        return (yield)
    except BaseException as failure:
        model = item.funcargs.get("model_url")
        try:
            if model is not None:
                model.check_alive()
        except stage.Ended as ended:
            raise ended from failure
        raise


@pytest.fixture
def calls(house):
    """The records of the calls so far."""

    def records():
        files = sorted((house[1] / "gateway/audit").glob("*.jsonl"))
        lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
        return [record for record in lines if record["kind"] == "call"]

    return records
