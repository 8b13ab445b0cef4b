"""Connected components of the identity graph: one row per node that has an edge.

The only model that is not SQL. ``scipy.sparse.csgraph.connected_components`` (a breadth-first labelling,
linear in nodes and edges) beat every SQL formulation. What costs is names, not graphs, so no name leaves
DuckDB: a node's number is a 63-bit hash of its name, the graph is solved on numbers, and the answer is joined
back. Two names with one number would merge two people, by accident or by somebody's design, so the numbers
are counted against the names, and where they differ the sorted names are numbered instead.

A component's label is its smallest number: it does not depend on the order of edges, and it stays while other
components change. It means nothing outside this table.

    edges -> numbers -> components -> contested ones again, with override edges alone -> names

An increment reads which edges came and went from the logs of changes (macros/increments/markers.sql). Components that
only grow are renamed, without reading an old edge; the others that are touched are solved again.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

NUMBER = "cast(hash({name}) >> 1 as bigint)"  # of a name, in SQL
_NUMBERED = """
    select a.number as a, b.number as b, pairs.* exclude (node_a, node_b)
    from {pairs} as pairs
    inner join identity_names as a on pairs.node_a = a.node
    inner join identity_names as b on pairs.node_b = b.node
"""


# Which changes of its inputs the table knows of; the names stand where all is to be solved (by_key_in_python.sql).
_EDGES_SINCE = "__since_int_identity_component_edges__"
_NEVER_SINCE = "__since_int_identity_never__"
_CHANGED = """
    select node_a, node_b, min(change) > 0 as is_new
    from (
        select sum(_sign) as change, * exclude (_sign, _version)
        from increments.{table}
        where _version > {since}
        group by all
        having sum(_sign) <> 0
    )
    group by all
"""


def model(dbt, session):  # noqa: ANN001, ANN201 - the signature dbt calls
    dbt.config(materialized="by_key_in_python", key="node")
    session.register("identity_edges", dbt.ref("int_identity_component_edges"))
    session.register("identity_never", dbt.ref("int_identity_never"))
    if not _EDGES_SINCE.isdigit():
        return solve_names(session, "identity_edges", "identity_never")
    edges = _CHANGED.format(table="int_identity_component_edges", since=_EDGES_SINCE)
    never = _CHANGED.format(table="int_identity_never", since=_NEVER_SINCE)
    session.execute(f"create or replace temp table identity_added as from ({edges}) where is_new")
    session.execute(f"""
        create or replace temp table identity_altered as
        select node_a, node_b from ({edges}) where not is_new
        union
        select node_a, node_b from ({never})
    """)
    return changed_rows(
        session,
        str(dbt.this),
        "identity_edges",
        "identity_never",
        "identity_added",
        "identity_altered",
    )


# --- The graph: numbers in, numbers out ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Components:
    """One entry per node that has an edge, in the order of their numbers.

    ``component`` is the smallest number of the node's component. ``is_contested`` marks nodes that evidence
    joins with somebody they must never be joined with.
    """

    node: np.ndarray
    component: np.ndarray
    is_contested: np.ndarray


def solve(
    node_a: np.ndarray,
    node_b: np.ndarray,
    is_override: np.ndarray,
    never_a: np.ndarray,
    never_b: np.ndarray,
) -> Components:
    """The components of a graph whose edges are pairs of numbers; loops and doubles do no harm.

    A component that holds both ends of a never pair is contested: which piece of evidence is wrong is not said,
    so only its override edges count; a part of it that still holds both ends falls to single nodes.
    """
    nodes, codes = np.unique(np.concatenate([node_a, node_b]), return_inverse=True)
    a, b = codes[: len(node_a)], codes[len(node_a) :]
    never = _never_codes(nodes, never_a, never_b)
    component = _smallest_members(a, b, len(nodes))
    is_contested = _holds_a_pair(component, never)
    if is_contested.any():
        kept = is_override & is_contested[a]
        part = _smallest_members(a[kept], b[kept], len(nodes))
        part = np.where(_holds_a_pair(part, never), np.arange(len(nodes)), part)
        component = np.where(is_contested, part, component)
    return Components(nodes, nodes[component], is_contested)


def _classes(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every number of the pairs once, in order, and the smallest of those it is joined with."""
    nothing = np.empty(0, dtype=np.int64)
    joined = solve(a, b, np.zeros(len(a), dtype=bool), nothing, nothing)
    return joined.node, joined.component


def _smallest_members(a: np.ndarray, b: np.ndarray, size: int) -> np.ndarray:
    """For each of the nodes 0 to size - 1 the smallest node of its component."""
    if not len(a):
        return np.arange(size)
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(size, size))
    count, labels = connected_components(graph, directed=False)
    smallest = np.empty(count, dtype=np.int64)
    smallest[labels[::-1]] = np.arange(size)[::-1]  # of several, the last one assigned stays
    return smallest[labels]


def _never_codes(nodes: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The never pairs as positions among ``nodes``, without those an end of which has no edge."""
    at_a, at_b = np.searchsorted(nodes, a), np.searchsorted(nodes, b)
    present = (np.append(nodes, 0)[at_a] == a) & (np.append(nodes, 0)[at_b] == b) & (a != b)
    present &= (at_a < len(nodes)) & (at_b < len(nodes))
    return at_a[present], at_b[present]


def _holds_a_pair(component: np.ndarray, never: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """For each node whether its component holds both ends of a never pair."""
    a, b = never
    broken = component[a[component[a] == component[b]]]
    return np.isin(component, broken) if len(broken) else np.zeros(len(component), dtype=bool)


# --- The tables: names in, names out ---------------------------------------------------------------------------


def solve_names(session, edges, never):  # noqa: ANN001, ANN201 - DuckDB's connection and relation
    """(node, component, is_contested) of the table ``edges`` (node_a, node_b, is_override), as a relation.

    ``never`` (node_a, node_b) are the pairs that must not end up together.
    """
    number, number_a, number_b = (NUMBER.format(name=name) for name in ("node", "node_a", "node_b"))
    session.execute(f"""
        create or replace temp table identity_names as
        select node, {number} as number
        from (select node_a as node from {edges} union select node_b from {edges})
    """)
    solved = _solve_query(
        session,
        f"select {number_a} as a, {number_b} as b, is_override from {edges}",
        _NUMBERED.format(pairs=never),  # few, and their ends need not be among the names
    )
    names = session.execute("select count(*) from identity_names").fetchone()[0]
    if len(solved.node) != names:
        solved = _solve_sorted_names(session, edges, never)
    _register(
        session,
        "identity_solved",
        number=solved.node,
        component=solved.component,
        is_contested=solved.is_contested,
    )
    return session.sql("""
        select node, component, is_contested
        from identity_names
        inner join identity_solved using (number)
    """)


def changed_rows(session, components, edges, never, added, altered):  # noqa: ANN001, ANN201
    """What becomes of the table ``components`` when the pairs ``added`` and ``altered`` (node_a, node_b) change.

    ``added`` are edges that were not there, ``altered`` all else: edges gone, edges that became or ceased to be
    an override, never pairs come and gone. ``edges`` and ``never`` are as they are now.

    Returns (node, component, is_contested) of every node whose row may differ, as a relation; a node that has
    no edge any more has neither component nor is_contested. The rows are those of ``solve_names``, to the byte.
    """
    if increment(session, components, edges, never, added, altered):
        return session.sql(f"""
            with
                gone as (select node from {components} semi join identity_gone using (component)),
                renamed as (
                    select node, becomes as component, is_contested
                    from {components}
                    inner join identity_aliases using (component)
                )
            from renamed
            union all
            from identity_rows
            union all
            select node, null, null from gone anti join identity_rows using (node)
        """)
    session.register("identity_all", solve_names(session, edges, never))
    return session.sql(f"""
        from identity_all
        union all
        select node, null, null from {components} anti join identity_names using (node)
    """)


def increment(session, components, edges, never, added, altered):  # noqa: ANN001, ANN201
    """Find out what ``changed_rows`` answers, reading what is touched alone.

    Components that only grow are renamed: each end of a new edge is replaced by its component, that small graph
    is solved, and a map of labels says it all without reading a member or an old edge. The others that are
    touched are solved again from their edges.

    Returns whether that was possible; if not (numbers clash) all must be solved again. The answer is in three
    temporary tables: identity_gone (component) leave with their rows, identity_aliases (component, becomes) are
    renamed, identity_rows (node, component, is_contested) are new.
    """
    session.execute(f"""
        create or replace temp table identity_ends as
        select
            ends.node,
            coalesce(components.component, ends.number) as component,
            coalesce(components.is_contested, false) as is_contested,
            components.node is null as is_new,
            components.node <> ends.node as clashes,
            ends.is_altered,
            ends.is_added
        from (
            select
                node,
                {NUMBER.format(name="node")} as number,
                bool_or(is_altered) as is_altered,
                bool_or(is_added) as is_added
            from (
                select unnest([node_a, node_b]) as node, false as is_altered, true as is_added from {added}
                union all
                select unnest([node_a, node_b]), true, false from {altered}
                union all
                select unnest([node_a, node_b]), false, false from {never}
            )
            group by node
        ) as ends
        left join {components} as components on ends.number = {NUMBER.format(name="components.node")}
    """)
    if _numbers_clash(session, components):
        return False
    dirty, gone, becomes = _judge_classes(session, added, never)
    _register(session, "identity_aliases", component=gone, becomes=becomes)
    _register(session, "identity_gone", component=dirty)
    session.execute("""
        create or replace temp table identity_rows as
        select ends.node, coalesce(aliases.becomes, ends.component) as component, false as is_contested
        from identity_ends as ends
        left join identity_aliases as aliases on ends.component = aliases.component
        where ends.is_new and ends.is_added and ends.component not in (select component from identity_gone)
    """)
    return not len(dirty) or _solve_again(session, components, edges, never)


def _solve_again(session, components, edges, never):  # noqa: ANN001, ANN202
    """Solve the components of identity_gone from their edges; whether their labels are free."""
    if _holds(session, "identity_ends inner join identity_gone using (component) where is_contested"):
        # which contested parts were one component is not written down, so all of them are solved again
        gone = session.execute(f"""
            select component from identity_gone
            union
            select component from {components} where is_contested
        """).fetchnumpy()
        _register(session, "identity_gone", **gone)
    session.execute(f"""
        create or replace temp table identity_again as
        select node from {components} inner join identity_gone using (component)
        union
        select node from identity_ends inner join identity_gone using (component) where is_added or not is_new
    """)
    for name, pairs in (("identity_their_edges", edges), ("identity_their_never", never)):
        session.execute(f"""
            create or replace temp table {name} as
            from {pairs} where node_a in (select node from identity_again)
        """)
    session.register("identity_answer", solve_names(session, "identity_their_edges", "identity_their_never"))
    session.execute("create or replace temp table identity_solved_again as from identity_answer")
    session.execute("insert into identity_rows from identity_solved_again")
    return not _holds(
        session,
        f"""
        (
            select component from {components} semi join identity_solved_again using (component)
            union all
            select component from identity_ends semi join identity_solved_again using (component) where is_added
        ) as found
        anti join identity_gone using (component)
        """,
    )


def _solve_sorted_names(session, edges, never):  # noqa: ANN001, ANN202
    """As above, where two names have one number: a name's number is its place among the sorted names."""
    session.execute("""
        create or replace temp table identity_names as
        select node, row_number() over (order by node) as number from identity_names
    """)
    return _solve_query(session, _NUMBERED.format(pairs=edges), _NUMBERED.format(pairs=never))


def _solve_query(session, edges, never):  # noqa: ANN001, ANN202
    pairs, apart = session.execute(edges).fetchnumpy(), session.execute(never).fetchnumpy()
    return solve(
        *(np.asarray(pairs[name]) for name in ("a", "b", "is_override")),
        *(np.asarray(apart[name]) for name in ("a", "b")),
    )


def _judge_classes(session, added, never):  # noqa: ANN001, ANN202
    """The labels to be solved again, and of the others those that end and what each of them becomes."""
    labelled = """
        select a.component as a, b.component as b
        from {pairs} as pairs
        inner join identity_ends as a on pairs.node_a = a.node
        inner join identity_ends as b on pairs.node_b = b.node
        where a.{wanted} and b.{wanted}
    """
    joins = session.execute(labelled.format(pairs=added, wanted="is_added")).fetchnumpy()
    apart = session.execute(labelled.format(pairs=never, wanted="node is not null")).fetchnumpy()
    altered = session.execute("""
        select distinct component from identity_ends where is_altered or (is_contested and is_added)
    """).fetchnumpy()["component"]
    loops = np.concatenate([altered, apart["a"], apart["b"]])  # a label joined with itself: only to be listed
    labels, classes = _classes(np.append(joins["a"], loops), np.append(joins["b"], loops))
    never_a, never_b = (classes[np.searchsorted(labels, apart[end])] for end in ("a", "b"))
    dirty = np.append(classes[np.searchsorted(labels, altered)], never_a[never_a == never_b])
    is_dirty = np.isin(classes, dirty)
    ends = ~is_dirty & (labels != classes)
    return labels[is_dirty], labels[ends], classes[ends]


def _numbers_clash(session, components):  # noqa: ANN001, ANN202
    """Whether two of the names have one number.

    So it is, too, where the labels are no numbers of names: because some clashed when all were solved.
    """
    labelled = f"{components} where component = {NUMBER.format(name='node')}"
    new = "identity_ends where is_new and is_added"
    return (
        _holds(session, "identity_ends where clashes")
        or _holds(session, f"(select component from {new} group by component having count(*) > 1)")
        or (_holds(session, components) and not _holds(session, labelled))
    )


def _holds(session, rows):  # noqa: ANN001, ANN202
    """Whether there is a row."""
    return session.execute(f"select 1 from {rows} limit 1").fetchone() is not None


def _register(session, name, **columns):  # noqa: ANN001, ANN003, ANN202
    session.register(name, pa.table({column: pa.array(values) for column, values in columns.items()}))
