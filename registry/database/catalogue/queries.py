"""Queries of PostgreSQL's system catalogue about the schema in which the session finds its tables."""

from __future__ import annotations

_OURS = "quote_ident(current_schema()::text)::regnamespace"

TABLES = f"""
    SELECT relname AS part,
           CASE relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'other table' END AS kind,
           CASE relpersistence WHEN 'p' THEN 'logged' ELSE 'unlogged' END AS persistence
    FROM pg_class WHERE relnamespace = {_OURS} AND relkind IN ('r', 'p', 'f', 'v', 'm')"""

VIEWS = f"""
    SELECT relname AS part, pg_get_viewdef(oid) AS text,
           CASE relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END AS kind,
           coalesce(array_to_string(reloptions, ', '), 'none') AS options
    FROM pg_class WHERE relnamespace = {_OURS} AND relkind IN ('v', 'm')"""

COLUMNS = f"""
    SELECT relname AS location, attname AS part,
           replace(upper(format_type(atttypid, atttypmod)), 'CHARACTER VARYING', 'VARCHAR') AS type,
           CASE WHEN attnotnull THEN 'refused' ELSE 'allowed' END AS "NULL",
           coalesce(pg_get_expr(adbin, adrelid), nullif(attidentity::text, ''), 'none') AS default,
           CASE WHEN attcollation = typcollation THEN 'default'
                ELSE (SELECT collname FROM pg_collation WHERE oid = attcollation) END AS collation
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_type ON pg_type.oid = atttypid
         LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = {_OURS} AND relkind <> 'i' AND attnum > 0 AND NOT attisdropped"""

# A rule that NULL is refused has a name since PostgreSQL 18; what it says is read from the column.
CONSTRAINTS = f"""
    SELECT relname AS location, conname AS part,
           replace(pg_get_constraintdef(pg_constraint.oid), '"', '') AS definition,
           CASE contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END AS sort,
           CASE WHEN convalidated AND coalesce(indisvalid AND indisready AND indislive, true) THEN 'valid'
                ELSE 'invalid' END AS state
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
         LEFT JOIN pg_index ON indexrelid = conindid AND contype IN ('p', 'u', 'x')
    WHERE relnamespace = {_OURS} AND (contype IN ('c', 'f', 'p', 'u', 'x') OR NOT convalidated)"""

INDEXES = f"""
    SELECT tables.relname AS location, indexes.relname AS part,
           replace(pg_get_indexdef(indexrelid), '"', '') AS definition,
           CASE WHEN indisvalid AND indisready AND indislive THEN 'valid' ELSE 'invalid' END AS state
    FROM pg_index JOIN pg_class tables ON tables.oid = indrelid JOIN pg_class indexes ON indexes.oid = indexrelid
    WHERE tables.relnamespace = {_OURS}
          AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))"""

TRIGGERS = f"""
    SELECT relname AS location, tgname AS part,
           split_part(pg_get_triggerdef(pg_trigger.oid), ' EXECUTE ', 1) AS text,
           quote_ident(nspname::text) || '.' || proname || '(' || encode(tgargs, 'escape') || ')' AS function,
           CASE tgenabled WHEN 'A' THEN 'enabled always' WHEN 'O' THEN 'enabled but in a replica'
                WHEN 'R' THEN 'enabled only in a replica' ELSE 'disabled' END AS state
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
         JOIN pg_namespace ON pg_namespace.oid = pronamespace
    WHERE NOT tgisinternal AND relnamespace = {_OURS}"""

FUNCTIONS = rf"""
    SELECT proname || '(' || pg_get_function_identity_arguments(pg_proc.oid) || ')' AS part,
           prosrc AS body, lanname AS language, prorettype::regtype AS result,
           coalesce(array_to_string(proconfig, '; '), 'none') AS settings,
           CASE WHEN prosecdef THEN 'definer' ELSE 'invoker' END AS security,
           CASE provolatile WHEN 'v' THEN 'volatile' ELSE 'stable or immutable' END AS volatility,
           CASE WHEN proisstrict THEN 'strict' ELSE 'called on NULL' END AS strictness
    FROM pg_proc JOIN pg_language ON pg_language.oid = prolang
    WHERE pronamespace = {_OURS} AND proname LIKE 'calreg\_%'"""

_OUR_TABLES = f"(SELECT oid FROM pg_class WHERE relnamespace = {_OURS} AND relkind IN ('r', 'p'))"

RULES = f"""
    SELECT 'the rule ' || rulename || ' on ' || ev_class::regclass || ' is not part of the schema'
    FROM pg_rewrite WHERE ev_class IN {_OUR_TABLES}"""
POLICIES = f"""
    SELECT 'the row security policy ' || polname || ' on ' || polrelid::regclass || ' is not part of the schema'
    FROM pg_policy WHERE polrelid IN {_OUR_TABLES}"""
ROW_SECURITY = f"""
    SELECT 'row security is on for the table ' || oid::regclass
    FROM pg_class WHERE oid IN {_OUR_TABLES} AND (relrowsecurity OR relforcerowsecurity)"""
GUARD_ODDITIES = (RULES, POLICIES, ROW_SECURITY)

UNENFORCED_REFERENCES = f"""
    SELECT DISTINCT 'the foreign key ' || conname || ' is not enforced on ' || tgrelid::regclass
    FROM pg_trigger JOIN pg_constraint ON pg_constraint.oid = tgconstraint
    WHERE tgisinternal AND tgenabled <> 'O' AND tgrelid IN {_OUR_TABLES}"""
# Rows of a table that inherits from ours are read with ours, and its triggers are not the guards.
INHERITANCE = f"""
    SELECT 'the table ' || inhrelid::regclass || ' inherits from ' || inhparent::regclass
    FROM pg_inherits WHERE inhparent IN {_OUR_TABLES} OR inhrelid IN {_OUR_TABLES}"""
# PostgreSQL's own schema is always searched first.
HIDDEN_TABLES = """
    SELECT 'the table ' || relname || ' of PostgreSQL''s own schema hides that of the registry'
    FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relname = ANY(:tables)"""
# What PostgreSQL itself brings is not in this catalogue of dependencies.
FOREIGN_OPERATORS = f"""
    SELECT DISTINCT 'the ' || pg_describe_object(classid, objid, 0) || ' uses the '
           || pg_describe_object(refclassid, refobjid, 0) || ', which is not PostgreSQL''s'
    FROM pg_depend
    WHERE refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass,
                         'pg_opfamily'::regclass, 'pg_type'::regclass, 'pg_collation'::regclass)
          AND (classid = 'pg_constraint'::regclass
               AND objid IN (SELECT oid FROM pg_constraint WHERE conrelid IN {_OUR_TABLES})
               OR classid = 'pg_class'::regclass
               AND objid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN {_OUR_TABLES}))"""
ODDITIES = (UNENFORCED_REFERENCES, INHERITANCE, HIDDEN_TABLES, FOREIGN_OPERATORS)
