"""Who has stopped what is lent to a borrower by their word alone: each of its loans, and its payees, which are streams of their own."""

from sqlmodel import col, select

from services.loans.domain.loan.state import Loan
from services.loans.domain.payees.payees import Payees
from services.loans.tables.loan import LoanRow
from shared.http.handlers import Reads
from shared.terms.protecting import Word


async def words_of_payees(reads: Reads, loan: str) -> list[Word]:
    """Of those that a loan's borrower is paid on."""
    state: Loan = (await reads.state(f"loan/{loan}"))[0]
    if state.terms is None:
        return []
    payees: Payees = (await reads.state(f"payees/{state.terms.borrower}"))[0]
    return payees.words


async def words_of_loans(reads: Reads, borrower: str) -> list[Word]:
    """Of all loans that are advanced on a borrower's payees."""
    async with reads.session() as session:
        loans = (await session.exec(select(LoanRow.loan).where(LoanRow.borrower == borrower).order_by(col(LoanRow.loan)))).all()
    return [word for loan in loans for word in (await reads.state(f"loan/{loan}"))[0].words]
