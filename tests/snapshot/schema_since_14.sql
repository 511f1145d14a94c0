-- What PostgreSQL 14 brought.
CREATE FUNCTION app.body(x app.users) RETURNS text LANGUAGE sql STABLE RETURN x.name || 'z';
CREATE STATISTICS app.stat_expr ON (lower(name)) FROM app.users;
