-- A state of the past that is registered while an erasure is under way must not outlive it: nobody registers one until
-- the erasure is committed.
CREATE OR REPLACE FUNCTION stele.forget_the_past() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    LOCK TABLE stele.as_of IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM stele.as_of;
    RETURN NULL;
END $$;
