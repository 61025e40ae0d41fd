"""REST v2 through google-cloud-bigquery: what an application does with it beside the Write API."""

from google.api_core import exceptions
from google.cloud import bigquery

from google_clients import CUSTOMERS, contains, customers, equal, raised


def filled(google, count):
    table = google.table()
    google.writer(table.default).append(customers(0, count))
    return table


def case_datasets(google):
    "REST: data sets are made, found, listed, labelled and deleted"
    dataset = bigquery.Dataset("p.other")
    dataset.location = "EU"
    google.bigquery.create_dataset(dataset)
    assert isinstance(raised(lambda: google.bigquery.create_dataset(dataset)), exceptions.Conflict)
    google.bigquery.create_dataset(dataset, exists_ok=True)
    found = google.bigquery.get_dataset("p.other")
    found.labels = {"team": "data"}
    google.bigquery.update_dataset(found, ["labels"])
    found = google.bigquery.get_dataset("p.other")
    equal((found.location, found.labels), ("EU", {"team": "data"}))
    assert "other" in [item.dataset_id for item in google.bigquery.list_datasets()]
    google.bigquery.delete_dataset("p.other", delete_contents=True)
    assert isinstance(raised(lambda: google.bigquery.get_dataset("p.other")), exceptions.NotFound)
    google.bigquery.delete_dataset("p.other", not_found_ok=True)


def case_tables(google):
    "REST: tables are made, listed, widened with an ETag, relaxed and deleted"
    table = google.table()
    assert table.id in [item.table_id for item in google.bigquery.list_tables("p.d")]
    resource = google.bigquery.get_table(table.reference)
    equal([(field.name, field.field_type, field.mode) for field in resource.schema], CUSTOMERS)
    stale = google.bigquery.get_table(table.reference)
    resource.schema = [*resource.schema, bigquery.SchemaField("email", "STRING")]
    resource.description = "wider"
    resource = google.bigquery.update_table(resource, ["schema", "description"])
    equal(([field.name for field in resource.schema][-1], resource.description), ("email", "wider"))
    stale.description = "late"
    assert isinstance(raised(lambda: google.bigquery.update_table(stale, ["description"])), exceptions.PreconditionFailed)
    resource.schema = resource.schema[:1]
    assert isinstance(raised(lambda: google.bigquery.update_table(resource, ["schema"])), exceptions.BadRequest)
    google.bigquery.delete_table(table.reference)
    error = raised(lambda: google.bigquery.get_table(table.reference))
    assert isinstance(error, exceptions.NotFound), repr(error)
    contains(error.message, f"Not found: Table p:d.{table.id}")


def case_listing(google):
    "REST: rows are listed page by page"
    table = filled(google, 25)
    pages = google.bigquery.list_rows(table.reference, page_size=10).pages
    equal([[row["row_num"] for row in page] for page in pages], [[*range(10)], [*range(10, 20)], [*range(20, 25)]])


def case_queries(google):
    "REST: a query is a job; its results come page by page, with a schema"
    table = filled(google, 25)
    job = google.bigquery.query(f"SELECT * FROM {table.sql} ORDER BY row_num")
    result = job.result(page_size=10)
    equal([dict(row.items()) for row in result], customers(0, 25))
    equal((job.state, result.total_rows), ("DONE", 25))
    equal([(field.name, field.field_type) for field in result.schema], [("customer_name", "STRING"), ("row_num", "INTEGER")])
    equal(google.bigquery.get_job(job.job_id, location=job.location).state, "DONE")


def case_arrow_results(google):
    "REST: query results become an Arrow table"
    table = filled(google, 3)
    arrow = google.bigquery.query(f"SELECT * FROM {table.sql} ORDER BY 2").to_arrow(create_bqstorage_client=False)
    equal(arrow.to_pylist(), customers(0, 3))


def case_parameters(google):
    "REST: queries take parameters, by name and by place"
    table = filled(google, 5)

    def query(sql, *parameters):
        config = bigquery.QueryJobConfig(query_parameters=parameters)
        return [tuple(row.values()) for row in google.bigquery.query(sql, job_config=config).result()]

    named = bigquery.ScalarQueryParameter("n", "INT64", 3)
    equal(query(f"SELECT customer_name FROM {table.sql} WHERE row_num = @n", named), [("c3",)])
    names = bigquery.ArrayQueryParameter(None, "STRING", ["c1", "c2"])
    sql = f"SELECT row_num FROM {table.sql} WHERE customer_name IN UNNEST(?) ORDER BY 1"
    equal(query(sql, names), [(1,), (2,)])


def case_wrong_query(google):
    "REST: a wrong query says what is wrong"
    error = raised(lambda: google.query("SELECT nothing FROM p.d.missing"))
    assert isinstance(error, exceptions.NotFound), repr(error)
    assert isinstance(raised(lambda: google.query("SELEKT 1")), exceptions.BadRequest)


def case_insert(google):
    "REST: insertAll writes rows, and names those it does not"
    table = filled(google, 1)
    equal(google.bigquery.insert_rows_json(table.reference, [{"customer_name": "inserted", "row_num": 7}]), [])
    equal(google.count(table), 2)
    errors = google.bigquery.insert_rows_json(table.reference, [{"customer_name": "bad", "row_num": "no number"}])
    equal([(error["index"], error["errors"][0]["reason"]) for error in errors], [(0, "invalid")])
