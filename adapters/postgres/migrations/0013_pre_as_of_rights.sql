-- Who may do what with states of the past (0012); a table of generations, which holds no tenant's data.
GRANT SELECT, UPDATE (used_at) ON stele.as_of TO stele_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON stele.as_of TO stele_projector;
GRANT SELECT ON stele.as_of TO stele_reader;
