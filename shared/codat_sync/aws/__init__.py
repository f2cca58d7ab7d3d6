"""Makes the clients of AWS, and names what AWS answers when it does not do what was asked.

Door: `clients.AwsClients`. No call to AWS outlasts its function, whatever does not answer. Every error of botocore that
an operator can meet has a reason of its own. Knows nothing of Codat and of companies.
"""
