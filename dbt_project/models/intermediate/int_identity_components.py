"""Connected components of the identity graph: one row per node of a component of two or more nodes.

The only model that is not SQL. Encoding the node names as integers and asking
``scipy.sparse.csgraph.connected_components`` (a breadth-first labelling, linear in nodes and edges) beat every
SQL formulation; the label is the component's smallest node number, which is only a label: the identity of a
component is decided downstream from its members, so edge order cannot matter.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


def model(dbt, session):  # noqa: ANN001, ANN201 - the signature dbt calls
    dbt.config(materialized="table")
    edges = dbt.ref("int_identity_component_edges").to_arrow_table()
    if isinstance(edges, pa.RecordBatchReader):
        edges = edges.read_all()
    ends = pa.chunked_array(edges["node_a"].chunks + edges["node_b"].chunks, type=pa.string())
    nodes = pc.unique(ends).sort()
    codes = pc.index_in(ends, value_set=nodes).to_numpy()
    count, size = edges.num_rows, len(nodes)
    graph = coo_matrix((np.ones(count, dtype=np.int8), (codes[:count], codes[count:])), shape=(size, size))
    labels = connected_components(graph, directed=False)[1] if size else np.empty(0, dtype=np.int32)
    return pa.table({"node": nodes, "component": pa.array(labels, type=pa.int64())})
