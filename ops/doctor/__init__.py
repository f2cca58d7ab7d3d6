"""Whether a stack is fit to work: one finding for each thing that can be wrong before and after a deploy.

A check is a function from a `subject.Subject` to a `finding.Finding`. Door: `examine.examine`; `trial.send_trial` puts
one event through the stack. Nothing but the trial changes anything.
"""
