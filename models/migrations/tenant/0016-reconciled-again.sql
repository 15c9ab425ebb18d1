-- Of how many readings the sums of the day were made when it was compared: when there are others, it is compared again.
ALTER TABLE usage_reconciliations ADD COLUMN events bigint;
