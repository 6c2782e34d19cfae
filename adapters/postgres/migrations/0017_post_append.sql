-- What only earlier releases call.
DROP FUNCTION stele.append_v1, stele.append_v2, stele.create_generation_v1;
