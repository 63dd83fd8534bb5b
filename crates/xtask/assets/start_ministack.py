"""Starts MiniStack, with JSONata in the fields of a Distributed Map.

MiniStack 1.5.33 evaluates JSONata everywhere but there: `MaxConcurrency` and the
arguments of `ItemReader` and `ItemSelector` are read as JSONPath, and `Output` and
`Assign` are left out. AWS evaluates all of them (Amazon States Language, "Map"). So
the real definition runs unchanged, this fills the gap from outside, with MiniStack's
own evaluator. It refuses to start when the parts it leans on are not there: look at
an upgrade of MiniStack before trusting it.
"""

import os
import sys

# Out of the caller's session: the emulator outlives the terminal.
if os.getpid() != os.getsid(0):
    os.setsid()

from ministack.services import stepfunctions as sfn

NEEDED = (
    "_apply_jsonata_output",
    "_apply_jsonata_template",
    "_apply_state_assign",
    "_jsonata_state_field",
    "_next_or_end",
    "_resolve_params_obj",
    "_run_distributed_map",
    "_state_query_language",
)

missing = [name for name in NEEDED if not hasattr(sfn, name)]
if missing:
    sys.exit(f"this MiniStack differs from 1.5.33: stepfunctions has no {', '.join(missing)}")

resolve_jsonpath = sfn._resolve_params_obj
run_distributed_map = sfn._run_distributed_map


def resolve(template, data, ctx=None):
    """The arguments of ItemReader and ItemSelector, in the machine's own language."""
    if (ctx or {}).get("QueryLanguage") == "JSONata":
        return sfn._apply_jsonata_template(template, data, ctx)
    return resolve_jsonpath(template, data, ctx)


def run(state_def, raw_input, effective, iterator, execution, ctx):
    """The Map itself, with MaxConcurrency worked out before and Output and Assign after."""
    if sfn._state_query_language(state_def, ctx) != "JSONata":
        return run_distributed_map(state_def, raw_input, effective, iterator, execution, ctx)
    plain = dict(state_def)
    if "MaxConcurrency" in plain:
        plain["MaxConcurrency"] = sfn._jsonata_state_field(state_def, "MaxConcurrency", "number", raw_input, ctx)
    result, _ = run_distributed_map(plain, raw_input, effective, iterator, execution, ctx)
    output = sfn._apply_jsonata_output(state_def, raw_input, ctx, result=result, default=result)
    sfn._apply_state_assign(state_def, raw_input, ctx, result=result)
    return output, sfn._next_or_end(state_def)


sfn._resolve_params_obj = resolve
sfn._run_distributed_map = run

if __name__ == "__main__":
    from ministack.app import main

    main()
