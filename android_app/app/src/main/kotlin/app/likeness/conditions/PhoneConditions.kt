package app.likeness.conditions

import android.app.ActivityManager
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.PowerManager
import app.likeness.platform.NewerApis

/** What Android says of heat, battery and memory. */
class PhoneConditions(private val context: Context) : ConditionsSource {
    private val power = context.getSystemService(Context.POWER_SERVICE) as PowerManager
    private val activities = context.getSystemService(Context.ACTIVITY_SERVICE) as ActivityManager

    override fun read(): Conditions {
        val battery = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))
        return Conditions(
            heat = Heat.entries[NewerApis.thermalStatus(power).coerceIn(0, Heat.entries.lastIndex)],
            batterySaver = power.isPowerSaveMode,
            batteryPercent = battery?.let(::percent),
            charging = (battery?.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) ?: 0) != 0,
            memory = if (memory().lowMemory) MemoryPressure.LOW else MemoryPressure.NONE,
        )
    }

    fun freeMemoryBytes(): Long = memory().availMem

    fun memoryBytes(): Long = memory().totalMem

    private fun percent(battery: Intent): Int? {
        val level = battery.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
        val scale = battery.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
        return if (level < 0 || scale <= 0) null else 100 * level / scale
    }

    private fun memory() = ActivityManager.MemoryInfo().also(activities::getMemoryInfo)
}
