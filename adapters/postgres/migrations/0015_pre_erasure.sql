-- A state of the past that is registered while an erasure is under way must not outlive it: nobody registers one until
-- the erasure is committed. A rebuild whose builder has died is not gone on with, but dropped.
CREATE OR REPLACE FUNCTION stele.forget_the_past() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    LOCK TABLE stele.as_of IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM stele.as_of;
    UPDATE stele.generations SET resumable = false WHERE resumable;
    RETURN NULL;
END $$;
