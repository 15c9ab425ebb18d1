-- Of tenants that were deleted before their mirror went with them.
SELECT set_config('app.scope', 'platform', true);
DELETE FROM tenant_usage_days WHERE tenant_id IN (SELECT id FROM tenants WHERE state = 'deleted');
DELETE FROM tenant_usage_mirrors WHERE tenant_id IN (SELECT id FROM tenants WHERE state = 'deleted');
