-- Counted whenever a tenant begins something.
CREATE INDEX operations_open ON operations (tenant_id) WHERE state IN ('running', 'parked');
