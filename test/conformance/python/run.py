"""Runs every case against the emulator named by the arguments and prints one JSON line for each: {"name", "ok", "detail", "ms"}.

    run.py GRPC REST"""

import json
import sys
import time
import traceback

import cases_append
import cases_commit
import cases_lifetime
import cases_rest
import cases_rows
import cases_schema
import cases_streams
from google_clients import Google

MODULES = [cases_streams, cases_append, cases_rows, cases_commit, cases_schema, cases_lifetime, cases_rest]


def main(grpc, rest):
    google = Google(grpc, rest)
    for module in MODULES:
        for case in [value for key, value in vars(module).items() if key.startswith("case_")]:
            started = time.monotonic()
            report = {"name": case.__doc__, "ok": True, "detail": ""}
            try:
                case(google)
            except BaseException as error:
                report["ok"] = False
                report["detail"] = "".join(traceback.format_exception(error))[-4000:]
            try:
                google.after_case()
            except Exception as error:
                report["ok"] = False
                report["detail"] += f"\nafterwards: {error!r}"
            report["ms"] = round((time.monotonic() - started) * 1000)
            print(json.dumps(report), flush=True)


main(*sys.argv[1:])
