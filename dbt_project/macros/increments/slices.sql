{#- Joins of tables as long as all events take more memory than there may be, and DuckDB 1.5 does not always write to
    the disk what does not fit. A model by key that names an input (`slices_of`, of the same schema) is computed in
    slices of the times of that input's rows when all its rows are: what it reads by touched_rows_since(sliced=true) is
    cut alike, so that each row finds in its slice what it is joined with. Rows come in the order of time, slice by
    slice. -#}

{#- A relation that is cut, in the model's SQL: all of it until in_slice() says which part. -#}
{%- macro in_slices(relation, at) -%}
    {{ return(
        '/* slice: (select * from :slice */ ' ~ relation ~ ' /* slice: where ' ~ at ~ ' >= __slice_from__ and ' ~ at
        ~ ' < __slice_until__) :slice */'
    ) }}
{%- endmacro -%}

{#- Where slices of some `tl_slice_rows` rows begin and end, in order; [none]: one slice of everything. -#}
{%- macro slices(target) -%}
    {%- set input, cuts = config.get('slices_of'), [] -%}
    {%- if input -%}
        {%- if '__slice_from__' not in sql -%}
            {#- every slice would hold everything -#}
            {{ exceptions.raise_compiler_error(this.identifier ~ ' has slices_of, but reads nothing with sliced=true.') }}
        {%- endif -%}
        {%- set relation = target.incorporate(path={'identifier': input}) -%}
        {%- set number = increment_counts([relation])[0] // (var('tl_slice_rows') | int) + 1 -%}
        {%- set shares = [] -%}
        {%- for part in range(1, number) -%} {%- do shares.append(part / number) -%} {%- endfor -%}
        {%- if shares -%}
            {%- set found = run_query(
                'select distinct unnest(approx_quantile(' ~ config.require('since') ~ ', ' ~ shares ~ ')) as cut from '
                ~ relation ~ ' order by cut'
            ) -%}
            {%- do cuts.extend(found.columns[0].values()) -%}
        {%- endif -%}
    {%- endif -%}
    {%- if not cuts -%} {{ return([none]) }} {%- endif -%}
    {%- set bounds = ['-infinity'] + cuts + ['infinity'] -%}
    {%- set parts = [] -%}
    {%- for first in bounds[:-1] -%} {%- do parts.append([first, bounds[loop.index]]) -%} {%- endfor -%}
    {{ return(parts) }}
{%- endmacro -%}

{#- The model's SQL for one of slices(). -#}
{%- macro in_slice(sql, part) -%}
    {%- if not part -%} {{ return(sql) }} {%- endif -%}
    {{ return(
        sql | replace('/* slice:', '') | replace(':slice */', '')
        | replace('__slice_from__', "timestamp '" ~ part[0] ~ "'") | replace('__slice_until__', "timestamp '" ~ part[1] ~ "'")
    ) }}
{%- endmacro -%}
