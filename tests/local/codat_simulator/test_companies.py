"""Companies are created, listed page by page, and found by tag."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from local.codat_simulator.account import Account
from tests.local.codat_simulator.client import NOT_VALID, Clock, Codat, assert_refused


def test_companies_are_paged_with_relative_links(codat: Codat, account: Account) -> None:
    for number in range(4):
        account.add_company(name=f"Company {number}")
    pages = [codat("GET", f"/companies?page={page}&pageSize=2").json() for page in (1, 2, 3)]

    assert [company["id"] for page in pages for company in page["results"]] == list(account.companies)
    assert [(page["pageNumber"], page["pageSize"], page["totalResults"]) for page in pages] == [
        (1, 2, 5),
        (2, 2, 5),
        (3, 2, 5),
    ]
    assert pages[1]["_links"] == {
        "self": {"href": "/companies"},
        "current": {"href": "/companies?page=2&pageSize=2"},
        "next": {"href": "/companies?page=3&pageSize=2"},
        "previous": {"href": "/companies?page=1&pageSize=2"},
    }
    assert "previous" not in pages[0]["_links"]
    assert "next" not in pages[2]["_links"]


def test_the_next_link_leads_to_the_next_page_of_the_same_list(codat: Codat, account: Account) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        account.add_company(name=name, tags={"plan": "growth"})
    page = codat("GET", "/companies?pageSize=1&orderBy=-name&tags=plan%3Dgrowth").json()
    names = [page["results"][0]["name"]]
    while "next" in page["_links"]:
        page = codat("GET", page["_links"]["next"]["href"]).json()
        names.append(page["results"][0]["name"])
    assert names == ["Gamma", "Beta", "Alpha"]


def test_companies_come_in_the_order_of_creation_or_the_one_asked_for(
    codat: Codat, account: Account, clock: Clock
) -> None:
    clock.now -= timedelta(days=1)
    account.add_company(name="Aged")

    def names(query: str) -> list[str]:
        return [company["name"] for company in codat("GET", f"/companies{query}").json()["results"]]

    assert names("") == names("?orderBy=-created") == names("?orderBy=-name") == ["Technicalium", "Aged"]
    assert names("?orderBy=created") == names("?orderBy=name") == ["Aged", "Technicalium"]


def test_a_page_holds_100_companies_by_default(codat: Codat, account: Account) -> None:
    for _ in range(120):
        account.add_company()
    body = codat("GET", "/companies").json()
    assert (len(body["results"]), body["pageSize"], body["totalResults"]) == (100, 100, 121)


def test_a_page_after_the_last_is_empty(codat: Codat) -> None:
    body = codat("GET", "/companies?page=9").json()
    assert body["results"] == []
    assert "next" not in body["_links"]


@pytest.mark.parametrize("query", ["page=0", "page=x", "pageSize=0", "pageSize=5001", "pageSize=-1", "page="])
def test_an_invalid_page_is_400(codat: Codat, query: str) -> None:
    assert_refused(codat("GET", f"/companies?{query}"), 400, NOT_VALID)


def test_5000_companies_fit_on_a_page(codat: Codat) -> None:
    assert codat("GET", "/companies?pageSize=5000").status_code == 200


@pytest.mark.parametrize(
    ("tags", "names"),
    [
        ("region=uk", ["A", "B"]),
        ("region = uk && team=invoice-finance", ["A"]),
        ("region!=uk", ["Technicalium", "C"]),
        ("team~finance", ["A", "C"]),
        ("region=uk&&team!=invoice-finance", ["B"]),
        ("region=UK", []),
    ],
)
def test_tags_filter_companies(codat: Codat, account: Account, tags: str, names: list[str]) -> None:
    account.add_company(name="A", tags={"region": "uk", "team": "invoice-finance"})
    account.add_company(name="B", tags={"region": "uk"})
    account.add_company(name="C", tags={"region": "us", "team": "finance"})
    body = codat("GET", f"/companies?tags={quote(tags)}").json()
    assert [company["name"] for company in body["results"]] == names
    assert body["totalResults"] == len(names)


@pytest.mark.parametrize("tags", ["region", "region=uk || team=x", "=uk", "region=uk &&"])
def test_a_malformed_tags_filter_is_400(codat: Codat, tags: str) -> None:
    answer = codat("GET", f"/companies?tags={quote(tags)}")
    assert_refused(answer, 400, "Error parsing query - Malformed query.", "ClientsApi")


def test_the_query_language_is_refused_and_not_ignored(codat: Codat) -> None:
    assert codat("GET", "/companies?query=name%3DA").status_code == 400


def test_a_created_company_is_answered_and_found(codat: Codat) -> None:
    answer = codat("POST", "/companies", {"name": "Bank of Dave", "description": "d", "tags": {"plan": "free"}})
    company = answer.json()
    assert answer.status_code == 200
    assert (company["name"], company["description"], company["tags"]) == ("Bank of Dave", "d", {"plan": "free"})
    assert company["redirect"] == f"https://link.codat.io/company/{company['id']}"
    assert company["created"] == "2026-03-01T12:00:00Z"
    assert company["dataConnections"] == []
    assert codat("GET", f"/companies/{company['id']}").json() == company


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "<script>"},
        {"name": "A", "tags": {"k" * 28: "v"}},
        {"name": "A", "tags": {"k": "v" * 101}},
        {"name": "A", "tags": {str(number): "v" for number in range(11)}},
        [],
    ],
)
def test_an_invalid_company_is_400(codat: Codat, account: Account, body: object) -> None:
    assert_refused(codat("POST", "/companies", body), 400, NOT_VALID)
    assert len(account.companies) == 1
