"""Run the whole system on this machine until Ctrl-C or SIGTERM, which ends every process that it started.

The functions call a simulator of Codat, unless an argument names another Codat. Exported variables alone never do.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence

from local.aws.clients import REGION
from local.aws.codat import Codat
from local.aws.processes import StackError, ending_on_signals
from local.aws.stack import LocalStack, local_stack


def _arguments(argv: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument(
        "--aws-port", type=int, default=environ.get("AWS_PORT", "0"), help="port of MiniStack; 0: a free one"
    )
    parser.add_argument(
        "--codat-port", type=int, default=environ.get("CODAT_PORT", "0"), help="port of the simulator; 0: a free one"
    )
    parser.add_argument("--codat-base-url", help="another Codat for the functions to call; CODAT_API_KEY is its key")
    return parser.parse_args(argv)


def _codat(base_url: str | None, environ: Mapping[str, str]) -> Codat | None:
    if not base_url:
        return None
    api_key = environ.get("CODAT_API_KEY")
    if not api_key:
        raise StackError("CODAT_API_KEY is not set: it has to be the key of CODAT_BASE_URL")
    return Codat(base_url=base_url.rstrip("/"), api_key=api_key)


def _summary(stack: LocalStack, seconds: float) -> str:
    codat = f"simulator, key {stack.codat.api_key}, control API at /_simulator" if stack.simulated else "not simulated"
    return f"""
Up after {seconds:.1f} s. Ctrl-C ends it.

  AWS        {stack.aws.endpoint_url}  (MiniStack, {REGION}, IAM enforced)
  Codat      {stack.codat.base_url}  ({codat})
  Event bus  {stack.outputs["EventBusName"]}
  Endpoints  {stack.endpoints}  (set -a; . {stack.endpoints})
  Presets    {stack.deployment.presets}  (a copy of those that are deployed)
  Logs       {stack.logs}/functions.log  (if a function cannot be loaded: ministack.log)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal ends it; return the exit code, 1 if the stack cannot start or a part of it ends."""
    arguments = _arguments(argv, os.environ)
    began = time.monotonic()
    try:
        with (
            ending_on_signals(),
            local_stack(
                aws_port=arguments.aws_port,
                codat_port=arguments.codat_port,
                codat=_codat(arguments.codat_base_url, os.environ),
                on_step=lambda step, seconds: print(f"  {step:<16} {seconds:4.1f} s", flush=True),
            ) as stack,
        ):
            print(_summary(stack, time.monotonic() - began), flush=True)
            while True:
                stack.check_running()
                time.sleep(1)
    except KeyboardInterrupt:
        print("Ended.")
        return 0
    except StackError as error:
        print(f"local stack: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
