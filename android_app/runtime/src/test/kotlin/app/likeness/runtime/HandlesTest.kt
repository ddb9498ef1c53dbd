package app.likeness.runtime

import org.junit.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

/** Who may use an object of the core, and when it is freed; without the core. */
class HandlesTest {
    private val freed = ArrayList<Long>()

    @Test
    fun `a shared object is freed once, by whoever leaves last`() {
        val handle = SharedHandle(ADDRESS, "thing", freed::add)
        handle.use { outer ->
            handle.use { inner -> assertEquals(ADDRESS to ADDRESS, outer to inner) }
            handle.close()
            handle.close()
            assertEquals(emptyList(), freed)
            assertFailsWith<IllegalStateException> { handle.use { } }
            assertEquals(emptyList(), freed)
        }
        assertEquals(listOf(ADDRESS), freed)
    }

    @Test
    fun `a shared object that nobody uses is freed when it is closed`() {
        val handle = SharedHandle(ADDRESS, "thing", freed::add)
        assertFailsWith<ArithmeticException> { handle.use { throw ArithmeticException() } }
        handle.close()
        assertEquals(listOf(ADDRESS), freed)
    }

    @Test
    fun `several are used together or not at all`() {
        val open = SharedHandle(ADDRESS, "thing", freed::add)
        val closed = SharedHandle(2, "other", freed::add).also { it.close() }
        assertFailsWith<IllegalStateException> { listOf(open, closed).useAll { } }
        assertEquals(listOf(ADDRESS, ADDRESS), listOf(open, open).useAll { it.toList() })
        open.close()
        assertEquals(listOf(2, ADDRESS), freed)
    }

    @Test
    fun `an exclusive object takes one visit at a time and is not closed during it`() {
        val handle = ExclusiveHandle(ADDRESS, "thing", freed::add)
        val visit = handle.enter()
        assertEquals(ADDRESS, handle.address(visit))
        assertFailsWith<BusyException> { handle.enter() }
        assertFailsWith<BusyException> { handle.use { } }
        assertFailsWith<BusyException> { handle.close() }
        handle.leave(visit)
        assertFailsWith<IllegalStateException> { handle.address(visit) }
        assertFailsWith<IllegalStateException> { handle.leave(visit) }
        handle.use { assertFailsWith<BusyException> { handle.close() } }
        assertEquals(emptyList(), freed)
        repeat(2) { handle.close() }
        assertEquals(listOf(ADDRESS), freed)
        assertFailsWith<IllegalStateException> { handle.enter() }
    }

    @Test
    fun `signals come at any time, and those for a visit only during it`() {
        val handle = ExclusiveHandle(ADDRESS, "thing", freed::add)
        val signals = ArrayList<Long>()
        handle.signal(signals::add)
        val visit = handle.enter()
        handle.signal(signals::add)
        handle.signalDuring(visit, signals::add)
        assertEquals(3, signals.size)
        handle.leave(visit)
        handle.signalDuring(visit, signals::add)
        handle.use { handle.signalDuring(visit, signals::add) } // that is another's
        handle.close()
        handle.signalDuring(visit, signals::add)
        assertFailsWith<IllegalStateException> { handle.signal(signals::add) }
        assertEquals(3, signals.size)
    }

    private companion object {
        const val ADDRESS = 1L
    }
}
