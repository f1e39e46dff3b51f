"""Executors whose work runs on the machines of a cluster: shards of messages in a folder that all share.

``shards`` has the files, ``task`` does one shard, on any machine; ``driver`` cuts the work into shards, waits
for them and gives the answers out; ``slurm`` and ``dask`` start the tasks.
"""
