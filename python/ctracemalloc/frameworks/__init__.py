"""Labels for what web frameworks, RPC servers and task queues run: which route, method or task memory is allocated for.

Model: one module for each framework, which the program imports by its name (`from ctracemalloc.frameworks.flask import
label_requests`); nothing here imports it. A module tells only where its framework knows the route, and when a request begins
and ends; the labels are those of `ctracemalloc.labels`, and _requests.py has what is common. A request that comes while
nothing is traced passes through.
"""
