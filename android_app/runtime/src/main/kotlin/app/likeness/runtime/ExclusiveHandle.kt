package app.likeness.runtime

/**
 * An object of the core that belongs to one call at a time: a session.
 *
 * A second call, and closing, are refused with [BusyException] while one is inside; nothing waits. [signal]s, which the
 * core takes at any time, may come beside a call.
 */
internal class ExclusiveHandle(private val address: Long, private val what: String, private val free: (Long) -> Unit) :
    AutoCloseable {
    /** Who is inside, by identity. */
    class Visit

    private var visit: Visit? = null
    private var closed = false

    /**
     * Goes inside until [leave].
     *
     * @throws IllegalStateException after [close]
     * @throws BusyException while another call is inside
     */
    fun enter(): Visit = synchronized(this) {
        checkOpen()
        checkIdle()
        Visit().also { visit = it }
    }

    fun leave(visit: Visit) = synchronized(this) {
        check(this.visit === visit) { "whoever leaves must be inside" }
        this.visit = null
    }

    /** The address; only between [enter] and [leave]. */
    fun address(visit: Visit): Long = synchronized(this) {
        check(this.visit === visit) { "whoever uses it must be inside" }
        address
    }

    inline fun <T> use(block: (Long) -> T): T {
        val visit = enter()
        try {
            return block(address(visit))
        } finally {
            leave(visit)
        }
    }

    /** Calls [block], which must return at once. Throws IllegalStateException after [close]. */
    fun signal(block: (Long) -> Unit) = synchronized(this) {
        checkOpen()
        block(address)
    }

    /** As [signal], but only while that [visit] lasts: nobody else's call is meant. */
    fun signalDuring(visit: Visit, block: (Long) -> Unit) = synchronized(this) {
        if (this.visit === visit) block(address)
    }

    override fun close() = synchronized(this) {
        if (!closed) {
            checkIdle()
            free(address)
            closed = true
        }
    }

    private fun checkOpen() = check(!closed) { "this $what is closed" }

    private fun checkIdle() {
        if (visit != null) throw BusyException("the $what is running on another thread; wait or cancel it first")
    }
}
