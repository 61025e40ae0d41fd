"""Every call of kafka-connect-py against a worker; one JSON line a case: {"name", "ok", "detail"}.

    drive.py URL NAME CONFIG"""

import json
import subprocess
import sys
import time
import traceback

from kafka_connect import KafkaConnect
from requests.exceptions import HTTPError

url, name, config_text = sys.argv[1:]
config = json.loads(config_text)
client = KafkaConnect(url=url)
PATIENCE_S = 60


def until(what, probe):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        last = probe()
        if last:
            return last
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain: {what}; last {client.get_connector_status(name)}")
        time.sleep(0.1)


def states():
    status = client.get_connector_status(name)
    return [status["connector"]["state"]] + [task["state"] for task in status["tasks"]]


def refused(code, call):
    try:
        call()
    except HTTPError as error:
        response = error.response
        body = response.json() if response is not None else json.loads(str(error))
        assert body["error_code"] == code and body["message"], body
        return body["message"]
    raise AssertionError(f"was not refused with {code}")


def case_cluster():
    """the cluster tells its version, commit and id"""
    info = client.get_cluster_info()
    assert sorted(info) == ["commit", "kafka_cluster_id", "version"], info
    assert int(info["version"].split(".")[0]) >= 4


def case_plugins_and_validation():
    """plugins are listed, and a config is validated by one of them"""
    plugins = client.list_connector_plugins()
    assert any(plugin["type"] == "sink" for plugin in plugins), plugins
    good = client.validate_connector_config("BigQuerySinkConnector", {**config, "name": name})
    assert good["error_count"] == 0, [c["value"] for c in good["configs"] if c["value"]["errors"]]
    bad = client.validate_connector_config("BigQuerySinkConnector", {**config, "name": name, "tasks.max": "x"})
    assert bad["error_count"] == 1


def case_create():
    """a connector is created, listed at once, and runs"""
    created = client.create_connector({"name": name, "config": config})
    assert created["name"] == name and created["type"] == "sink", created
    assert name in client.list_connectors()
    until("it runs", lambda: states() == ["RUNNING"] * 3)
    refused(409, lambda: client.create_connector({"name": name, "config": config}))


def case_read():
    """connector, config, status, tasks, task status and topics are read"""
    assert client.get_connector(name)["config"] == {**config, "name": name}
    assert client.get_connector_config(name) == {**config, "name": name}
    tasks = client.list_connector_tasks(name)
    assert [task["id"]["task"] for task in tasks] == [0, 1], tasks
    assert client.get_connector_task_status(name, 1)["state"] == "RUNNING"
    assert client.list_connector_topics(name) == {name: {"topics": [config["topics"]]}}


def case_filters():
    """lists are filtered by pattern and state, with status and info"""
    assert name in client.list_connectors(pattern=name, state="running")
    assert name not in client.list_connectors(pattern=name, state="paused")
    expanded = client.list_connectors(expand="status", pattern=name)
    assert expanded[name]["status"]["connector"]["state"] == "RUNNING"
    assert client.list_connectors(expand="info", pattern=name)[name]["info"]["config"]["topics"] == config["topics"]


def case_pause_resume():
    """all connectors of a pattern are paused and resumed"""
    client.pause_all_connectors(pattern=name)
    until("it is paused", lambda: states() == ["PAUSED"] * 3)
    client.resume_all_connectors(pattern=name, state="paused")
    until("it runs", lambda: states() == ["RUNNING"] * 3)


def case_restarts():
    """restarts take Python's booleans; connector, tasks and all"""
    assert client.restart_connector(name) is None
    restarting = client.restart_connector(name, include_tasks=True)
    assert [task["state"] for task in restarting["tasks"]] == ["RESTARTING"] * 2, restarting
    client.restart_connector_task(name, 0)
    client.restart_all_connectors(pattern=name, include_tasks=True, only_failed=True)
    until("it runs", lambda: states() == ["RUNNING"] * 3)


def case_update():
    """a changed config takes effect"""
    updated = client.update_connector(name, {**config, "tasks.max": 1})
    assert updated["config"]["tasks.max"] == "1" and len(updated["tasks"]) == 1, updated
    until("one task runs", lambda: states() == ["RUNNING"] * 2)


def case_topics_reset():
    """the list of topics is reset"""
    client.reset_connector_topics(name)
    assert list(client.list_connector_topics(name)) == [name]


def case_stop():
    """a stopped connector has no tasks, and goes on when it is resumed"""
    client.stop_connector(name)
    until("it is stopped", lambda: states() == ["STOPPED"])
    assert client.list_connector_tasks(name) == []
    client.resume_connector(name)
    until("it runs", lambda: states() == ["RUNNING"] * 2)


def case_errors():
    """what is not there is 404 with a message, what is wrong 400"""
    for call in [
        lambda: client.get_connector("no-such"),
        lambda: client.get_connector_status("no-such"),
        lambda: client.get_connector_task_status(name, 99),
        lambda: client.pause_connector("no-such"),
        lambda: client.restart_connector("no-such"),
        lambda: client.delete_connector("no-such"),
    ]:
        refused(404, call)
    refused(400, lambda: client.update_connector(name, {**config, "tasks.max": "many"}))


def case_command_line():
    """the command line kc lists, describes and deletes"""

    def kc(*arguments):
        # Not by its script: that one names the folder in which the environment was made.
        program = "from kafka_connect.cli import cli; cli()"
        command = [sys.executable, "-B", "-c", program, "--url", url, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 0, f"{arguments}: {done.stdout} {done.stderr}"
        return done.stdout

    assert json.loads(kc("status", name))["name"] == name
    assert name in kc("list", "--expand=status", "--pattern", name, "--state", "running")
    kc("delete", name)
    assert name not in client.list_connectors()
    refused(404, lambda: client.get_connector(name))


for case in [value for key, value in list(globals().items()) if key.startswith("case_")]:
    report = {"name": case.__doc__, "ok": True, "detail": ""}
    try:
        case()
    except BaseException as error:
        report["ok"] = False
        report["detail"] = "".join(traceback.format_exception(error))[-4000:]
    print(json.dumps(report), flush=True)
