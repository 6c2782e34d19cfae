-- prune_keys: forget the keys of commands that are older than so many seconds, at most so many; those that another
-- process is just forgetting are left to it
DELETE FROM stele.command_keys WHERE ctid = ANY (ARRAY(
    SELECT k.ctid FROM stele.command_keys k WHERE k.recorded_at < clock_timestamp() - make_interval(secs => %s)
    LIMIT %s FOR UPDATE SKIP LOCKED))
