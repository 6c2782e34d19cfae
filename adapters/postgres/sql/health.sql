-- topics: of every live topic: where it is, where it stopped and why, and since when (in seconds) the oldest event waits
-- that is not folded into it
SELECT c.topic, c.position, c.error_position, c.error,
       coalesce(extract(epoch FROM clock_timestamp() - l.recorded_at), 0)::float8
FROM stele.checkpoints c LEFT JOIN stele.log l ON l.position = c.position + 1
WHERE c.live ORDER BY c.topic

-- waits: since when (in seconds) the event at this position is in the log; no row when there is none
SELECT extract(epoch FROM clock_timestamp() - recorded_at)::float8 FROM stele.log WHERE position = %s

-- log: the newest position, and which history it is of
SELECT head.position, history.epoch FROM stele.head head, stele.history history
