DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'tenant_owner') THEN
        CREATE ROLE tenant_owner;
    END IF;
END $$;
CREATE SCHEMA tenant AUTHORIZATION tenant_owner;
