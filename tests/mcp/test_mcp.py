"""The official MCP client over both transports and both ways to begin, and the official conformance suite."""

import asyncio
import subprocess

import pytest
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters

from conftest import ROOT, ZOS, calls

TOOLS = {
    "canon_get", "canon_why", "memory_search", "memory_propose", "memory_history", "context_list",
    "check_outbound", "check_target", "route_explain", "budget_status", "attest_current",
}


async def use(server, mode):
    """Lists, reads, searches and proposes in the room acme; everything else is another room's."""
    async with Client(server, mode=mode) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        uris = [str(resource.uri) for resource in (await client.list_resources()).resources]
        assert uris[0] == "zos://canon/acme" and len(uris) == 3
        canon = await client.read_resource(uris[0])
        assert canon.contents[0].text == "## Tone\nBe brief.\n"
        assert {prompt.name for prompt in (await client.list_prompts()).prompts} == {"canon", "recall"}
        prompt = await client.get_prompt("recall", {"query": "Ann"})
        assert "Ann prefers tea" in prompt.messages[0].content.text
        found = await client.call_tool("memory_search", {"query": "tea"})
        text = found.content[0].text
        assert "Ann prefers tea" in text and "[withheld: rule " in text
        assert "Falcon" not in text and "Globex" not in text
        assert found.structured_content["total"] == 2
        proposed = await client.call_tool("memory_propose", {"text": f"Bob likes {mode} things."})
        assert proposed.structured_content["status"] == "proposed"
        rooms = await client.call_tool("context_list", {})
        assert "globex" not in rooms.content[0].text
        refused = await client.call_tool("memory_search", {"query": "tea", "context": "globex"})
        assert refused.is_error and "zos_context_mismatch" in refused.content[0].text
        with pytest.raises(MCPError):
            await client.read_resource("zos://canon/globex")


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28", "auto"])
def test_the_official_client_over_http(home, url, mode):
    asyncio.run(use(f"{url}/rooms/acme/mcp", mode))
    records = calls(home)
    assert records and all(record["context"] == "acme" for record in records)


def stdio(home):
    return StdioServerParameters(command=str(ZOS), args=["mcp", "--context", "acme", "--home", str(home)])


def test_the_official_client_over_stdio_beside_a_running_zos(home, url):
    asyncio.run(use(stdio(home), "auto"))
    assert calls(home)


def test_the_official_client_over_stdio_where_no_zos_runs(home):
    asyncio.run(use(stdio(home), "legacy"))
    details = [record["detail"] for record in calls(home) if "detail" in record]
    assert details.count("tools/call memory_search") == 2


# All scenarios, as each would be run by itself; and those that each kind of version requires of a server.
@pytest.mark.parametrize(
    ("scenarios", "one_of_them"),
    [
        (["--suite", "all"], "server-initialize"),
        (["--requirements", "2025-11-25"], "server-initialize"),
        (["--requirements", "2026-07-28"], "server-stateless"),
    ],
)
def test_the_conformance_suite_passes_but_for_the_listed_checks(url, tmp_path, scenarios, one_of_them):
    tools = ROOT / ".scratch/mcp/node_modules"
    command = [
        tools / ".bin/node", tools / "@modelcontextprotocol/conformance/dist/index.js", "server",
        "--url", f"{url}/rooms/acme/mcp", *scenarios, "--output-dir", tmp_path / "conformance",
        "--expected-failures", ROOT / "tests/mcp/conformance.yml",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert one_of_them in done.stdout
